"""A Debian 13 machine under software emulation: booted, told what to do, rebooted, cut off its power, thrown away."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.appliance.channel import Answer, Channel
from tests.appliance.switch import Switch
from tests.appliance.tree import Image

# Outside 10.0.0.0/8, which belongs to Origo's guests. Nothing goes from there to the outer world unless asked for.
OUTER_RANGE = "192.168.214.0/24"
# With a clock that ticks always: of timers that are set once QEMU's emulation loses one now and then, and a machine
# that waits for nothing else stands still for ever.
COMMAND_LINE = "root=/dev/vda ro console=ttyS0 loglevel=4 panic=-1 nohz=off highres=off"
UP = ("running", "degraded")
EMULATION_FAULT = re.compile(
    r"text_poke\w*\+.*Kernel panic|kthread timer wakeup didn't happen|corrupted stack end detected", re.DOTALL
)
"""QEMU's emulation now and then runs old code while the kernel patches its own, or lets a timer stand still, before
anything of ours has begun; or it writes over the stack of a nested guest's thread."""
LOOK_SECONDS = 10
STILL_SECONDS = 0.3
"""A machine that boots uses more of the processor than this between two looks, one that stands still does not."""


class MachineError(AssertionError):
    """What a machine did not do; with the end of its console where that may tell why."""


@dataclass(frozen=True)
class Ended:
    """How a command in the machine ended; the status is None if it took too long and was killed."""

    status: int | None
    output: str
    errors: str


class Machine:
    """One machine with a system disk of its own on top of the image (or of `base`, another machine's disk).

    Disks are named; inside they are /dev/disk/by-id/virtio-NAME. `disks`, `cards`, `options` and `command_line` may be
    changed while it is off. Several threads may talk to it at once, but the one that boots it must live as long as it.
    """

    def __init__(
        self,
        image: Image,
        folder: Path,
        *,
        disks: Mapping[str, int | Path] | None = None,
        switch: Switch | None = None,
        forward: Sequence[int] = (),
        egress: bool = False,
        memory_mb: int = 4096,
        cpus: int = 2,
        base: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.memory_mb, self.cpus = memory_mb, cpus
        self.kernel, self.initrd, self.command_line = image.kernel, image.initrd, COMMAND_LINE
        self.emulator = image.emulator
        self.ports = {port: _free_port() for port in forward}
        outer = f"user,id=outer,net={OUTER_RANGE},restrict={'off' if egress else 'on'}"
        outer += "".join(f",hostfwd=tcp:127.0.0.1:{mine}-:{theirs}" for theirs, mine in self.ports.items())
        self.cards = {"outer": outer, **({"lan": switch.card()} if switch else {})}
        self.options: list[str] = []
        self.system = folder / "system.qcow2"
        _create(self.system, "-b", base or image.disk, "-F", "qcow2" if base else "raw")
        self.disks: dict[str, Path] = {}
        for name, content in (disks or {}).items():
            self.add_disk(name, content)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._booted_at = 0

    def add_disk(self, name: str, content: int | Path) -> Path:
        """A disk, there from the next boot: empty, of that size in bytes, or with what another machine's disk holds."""
        self.disks[name] = self.folder / f"{name}.qcow2"
        _create(self.disks[name], *([content] if isinstance(content, int) else ["-b", content, "-F", "qcow2"]))
        return self.disks[name]

    # --- on and off

    def boot(self, *, up: bool = True, timeout: float = 400) -> float:
        """Switch it on, wait until it takes commands and, unless told otherwise, until all is started; the seconds."""
        if self.is_on():
            raise MachineError("cannot boot a machine that is on")
        began = time.monotonic()
        self._booted_at = len(self.console())
        listening = self.folder / "channel"
        listening.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(listening))
            server.listen()
            server.settimeout(30)
            with (self.folder / "qemu.log").open("ab") as log:
                self._process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", "--", *self._argv()], stdin=subprocess.DEVNULL, stderr=log
                )
            try:
                self._channel = Channel(server.accept()[0])
            except TimeoutError:
                self.power_off()
                raise MachineError(f"QEMU did not start: {(self.folder / 'qemu.log').read_text()[-2000:]}") from None
        if not self._greets(timeout - (time.monotonic() - began)):
            self.power_off()
            return time.monotonic() - began + self.boot(up=up, timeout=timeout - (time.monotonic() - began))
        if up:
            self.wait_up(timeout - (time.monotonic() - began))
        return time.monotonic() - began

    def wait_up(self, timeout: float = 400) -> str:
        """Wait until systemd has started all it wanted to: `running`, or `degraded` when a unit failed."""
        return self.wait(lambda: (state := self.state()) in UP and state, "its boot's end", timeout=timeout)

    def state(self) -> str:
        """What systemd says of the whole system: starting, running, degraded, stopping…"""
        return self.attempt(["systemctl", "is-system-running"], timeout=60).output.strip()

    def reboot(self, timeout: float = 600) -> float:
        """Reboot in order, with the kernel that the machine would choose, and wait until it is up; the seconds."""
        began = time.monotonic()
        self._follow_kernel()
        self._leave("reboot", timeout)
        self.boot(timeout=timeout - (time.monotonic() - began))
        return time.monotonic() - began

    def shutdown(self, timeout: float = 180) -> None:
        """Switch it off in order."""
        self._leave("poweroff", timeout)

    def power_off(self) -> None:
        """The plug is pulled. What the machine was told to be on its disks is there, all else is lost."""
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._channel:
            self._channel.close()
        self._process = self._channel = None

    def power_cut(self, *, up: bool = True, timeout: float = 400) -> float:
        """Pull the plug and switch it on again; the seconds until it is up."""
        self.power_off()
        return self.boot(up=up, timeout=timeout)

    def is_on(self) -> bool:
        """Whether it runs; it ends by itself when it reboots, powers off or panics."""
        return self._process is not None and self._process.poll() is None

    def was_cut(self) -> bool:
        """Whether a known fault of the emulation switched it off in this boot, not anything that ran on it."""
        if self._process is None or not EMULATION_FAULT.search(self.console()[self._booted_at :]):
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LOOK_SECONDS)
        return not self.is_on()

    def wait_off(self, timeout: float = 180) -> None:
        """Wait until it has gone off by itself."""
        self.wait(lambda: not self.is_on(), "its end", timeout=timeout)
        self.power_off()

    # --- what is done in it

    def run(
        self, command: Sequence[str] | str, *, input: str | bytes = b"", timeout: float = 60, status: int = 0
    ) -> str:
        """Run an argv, or a script for bash, as root; its output. Raises MachineError if it ends otherwise."""
        ended = self.attempt(command, input=input, timeout=timeout)
        if ended.status != status:
            how = f"took longer than {timeout:.0f} s" if ended.status is None else f"ended with {ended.status}"
            raise MachineError(f"{_told(command)}\n{how}\n{ended.output[-3000:]}\n{ended.errors[-3000:]}")
        return ended.output

    def attempt(self, command: Sequence[str] | str, *, input: str | bytes = b"", timeout: float = 60) -> Ended:
        """Run an argv, or a script for bash, as root, and say how it ended."""
        argv = ["bash", "-euo", "pipefail", "-c", command] if isinstance(command, str) else [str(w) for w in command]
        payload = input.encode() if isinstance(input, str) else input
        header, output = self._ask({"do": "run", "argv": argv, "timeout": timeout}, payload, timeout + 60)
        return Ended(header["status"], output.decode(errors="replace"), header["errors"])

    def put(self, local: Path | bytes | str, remote: str, *, mode: int = 0o644, timeout: float = 300) -> None:
        """Put a file of this machine, or that content, into the machine: whole, and on its disk."""
        data = local.read_bytes() if isinstance(local, Path) else local.encode() if isinstance(local, str) else local
        self._ask({"do": "put", "path": remote, "mode": mode}, data, timeout)

    def get(self, remote: str, *, timeout: float = 300) -> bytes:
        """A file's content."""
        return self._ask({"do": "get", "path": remote}, b"", timeout)[1]

    def wait(
        self, true: Callable[[], Any], what: str | Callable[[], str], *, timeout: float = 60, every: float = 0.5
    ) -> Any:
        """Wait until that is true, and return it. Raises MachineError with what it waited for and the console's end."""
        deadline = time.monotonic() + timeout
        while not (found := true()):
            if time.monotonic() > deadline:
                raise self._wrong(f"waited {timeout:.0f} s for {what if isinstance(what, str) else what()}")
            time.sleep(every)
        return found

    # --- from outside

    def console(self) -> str:
        """All that it printed on its serial line since it was made."""
        path = self.folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def expect(self, pattern: str, *, timeout: float = 120) -> re.Match[str]:
        """Wait for that on the serial line of this boot."""
        what = f"{pattern!r} on the console"
        return self.wait(lambda: re.search(pattern, self.console()[self._booted_at :]), what, timeout=timeout)

    def type(self, text: str) -> None:
        """Type on the serial line."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.folder / "console"))
            line.sendall(text.encode())
            time.sleep(0.2)

    def monitor(self, command: str) -> None:
        """Tell QEMU's monitor: `set_link lan off`, `system_powerdown`…"""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(str(self.folder / "monitor"))
            line.sendall(f"{command}\n".encode())
            said = b""
            while said.count(b"(qemu)") < 2:
                more = line.recv(4096)
                if not more:
                    return
                said += more

    def destroy(self) -> None:
        """Off, and gone from this machine."""
        self.power_off()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- how

    def _greets(self, timeout: float) -> bool:
        """Wait until it takes commands; false when its emulation failed before that. Raises MachineError."""
        assert self._channel is not None
        deadline, used = time.monotonic() + timeout, [0.0]
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._channel.greeting.result(min(left, LOOK_SECONDS))
                return True
            except (TimeoutError, EOFError) as problem:
                used.append(self._processor_seconds())
                still = len(used) > 2 and used[-1] - used[-3] < 2 * STILL_SECONDS
                if still or EMULATION_FAULT.search(self.console()[self._booted_at :]):
                    return False
                if isinstance(problem, EOFError):
                    raise self._wrong(f"ended before it took commands ({problem})") from None
        raise self._wrong(f"did not boot in {timeout:.0f} s")

    def _processor_seconds(self) -> float:
        """What it has used of this machine's processors."""
        assert self._process is not None
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def _argv(self) -> list[str]:
        folder = self.folder
        argv = [*self.emulator, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-M", "q35"]
        argv += ["-accel", "tcg", "-cpu", "max", "-smp", str(self.cpus), "-m", str(self.memory_mb)]
        argv += ["-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", self.command_line]
        argv += ["-chardev", f"socket,id=tty,path={folder}/console,server=on,wait=off,logfile={folder}/console.log"]
        argv[-1] += ",logappend=on"
        argv += ["-serial", "chardev:tty", "-monitor", f"unix:{folder}/monitor,server=on,wait=off"]
        argv += ["-device", "virtio-serial-pci,addr=0x8", "-chardev", f"socket,id=runner,path={folder}/channel"]
        argv += ["-device", "virtserialport,chardev=runner,name=origo.runner", "-device", "virtio-rng-pci,addr=0x9"]
        for place, (name, path) in enumerate({"system": self.system, **self.disks}.items()):
            # A flush reaches the files of this machine, which outlive QEMU; its own disks need not hear of it.
            argv += ["-drive", f"file={path},format=qcow2,if=none,id={name},cache=unsafe,discard=unmap"]
            argv += ["-device", f"virtio-blk-pci,drive={name},serial={name},addr={0x14 + place // 8:#x}.{place % 8:#x}"]
            argv[-1] += ",multifunction=on" if place % 8 == 0 else ""
        for place, (name, card) in enumerate(self.cards.items()):
            argv += ["-netdev", card, "-device", f"virtio-net-pci,netdev={name},mac={_mac(folder, name)}"]
            argv[-1] += f",addr={0x10 + place:#x},romfile="
        return [*argv, *self.options]

    def _ask(self, header: dict[str, Any], payload: bytes, timeout: float) -> Answer:
        if not self._channel:
            raise MachineError("cannot talk to a machine that is off")
        try:
            answer = self._channel.ask(header, payload, timeout)
        except (TimeoutError, EOFError) as problem:
            raise self._wrong(f"no answer in {timeout:.0f} s ({problem})") from None
        if "problem" in answer[0]:
            raise MachineError(answer[0]["problem"])
        return answer

    def _leave(self, verb: str, timeout: float) -> None:
        with contextlib.suppress(MachineError):
            self.run(["systemctl", "--no-block", verb])
        self.wait_off(timeout)

    def _follow_kernel(self) -> None:
        """Play the boot loader: take the kernel that Debian's links name, if it is another one than is running."""
        chosen = self.run(["readlink", "-f", "/vmlinuz"]).strip().partition("vmlinuz-")[2]
        if chosen == self.run(["uname", "-r"]).strip():
            return
        self.kernel, self.initrd = self.folder / "vmlinuz", self.folder / "initrd.img"
        for path in (self.kernel, self.initrd):
            path.write_bytes(self.get(f"/{path.name}"))

    def _wrong(self, sentence: str) -> MachineError:
        ended = self._process.poll() if self._process else None
        if ended is not None:
            sentence += f"; QEMU ended with {ended} {(self.folder / 'qemu.log').read_text(errors='replace')[-1000:]}"
        return MachineError(f"{self.folder.name}: {sentence}; its console ends:\n{self.console()[-3000:]}")


def _create(path: Path, *words: object) -> None:
    argv = ["qemu-img", "create", "-q", "-f", "qcow2"]
    size = [str(word) for word in words if isinstance(word, int)]
    backing = [str(word) for word in words if not isinstance(word, int)]
    subprocess.run([*argv, *backing, str(path), *size], check=True, timeout=60)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _mac(folder: Path, card: str) -> str:
    own = hashlib.sha256(f"{folder}/{card}".encode()).digest()[:3]
    return f"52:54:00:{own.hex(':')}"


def _told(command: Sequence[str] | str) -> str:
    return command if isinstance(command, str) else " ".join(command)
