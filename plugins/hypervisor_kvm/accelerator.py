"""Whether guests can run on the processor itself: found out by running one, since /dev/kvm alone proves nothing."""

import json
import threading
from dataclasses import asdict, dataclass

from origo.errors import CommandFailed, NotFound, OrigoError
from origo.host import Host

SECONDS = 10
EXITED = 0x21
"""What QEMU ends with when the guest writes 0x10 to its exit port."""

BOOT_SECTOR = bytes.fromhex("ba f4 00 b0 10 ee f4 eb fd".replace(" ", "")).ljust(510, b"\0") + b"\x55\xaa"
"""mov dx, 0xf4; mov al, 0x10; out dx, al; hlt; jmp: all that a guest must do to prove that it ran."""


@dataclass(frozen=True)
class Answer:
    """Whether KVM works here, in a sentence; true for one boot of the machine and one QEMU."""

    works: bool
    sentence: str
    boot: str
    version: str


class Accelerator:
    """Asks once, in the background, and remembers the answer in the folder `state` until QEMU or the boot changes."""

    def __init__(self, host: Host, state: str) -> None:
        self.host = host
        self.state = state
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        threading.Thread(target=self._ask_quietly, name="accelerator", daemon=True).start()

    def answer(self) -> Answer:
        """The answer; waits for it when it is still being found out."""
        with self._lock:
            if self._answer is None:
                self._answer = self._remembered() or self._remember(probe(self.host, self.state))
            return self._answer

    def _ask_quietly(self) -> None:
        try:
            self.answer()
        except OrigoError:
            return

    def _remembered(self) -> Answer | None:
        try:
            found = Answer(**json.loads(self.host.read(f"{self.state}/accelerator.json")))
        except (NotFound, ValueError, TypeError):
            return None
        return found if (found.boot, found.version) == (boot(self.host), version(self.host)) else None

    def _remember(self, found: Answer) -> Answer:
        self.host.write(f"{self.state}/accelerator.json", json.dumps(asdict(found)).encode())
        return found


def probe(host: Host, state: str) -> Answer:
    """Run a guest of nine bytes on KVM."""
    here = {"boot": boot(host), "version": version(host)}
    if not host.exists("/dev/kvm"):
        return Answer(
            False, "guests are emulated: there is no /dev/kvm (virtualisation may be off in the BIOS)", **here
        )
    host.make_folder(state, mode=0o700)
    image = f"{state}/probe.img"
    host.write(image, BOOT_SECTOR)
    drive = f"file={image},format=raw,if=floppy,readonly=on"
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-machine", "pc", "-m", "16", "-nodefaults", "-display", "none"]
    argv += ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-drive", drive]
    try:
        result = host.run(argv, timeout=SECONDS, check=False)
    except CommandFailed:
        return Answer(False, f"guests are emulated: a trial guest on KVM did nothing for {SECONDS} seconds", **here)
    if result.code == EXITED:
        return Answer(True, "guests run on KVM", **here)
    said = result.err.decode(errors="replace").strip().splitlines()
    why = said[-1] if said else f"QEMU ended with {result.code}"
    return Answer(False, f"guests are emulated: a trial guest on KVM failed: {why}", **here)


def boot(host: Host) -> str:
    """Names this boot of the machine."""
    return host.read("/proc/sys/kernel/random/boot_id").decode().strip()


def version(host: Host) -> str:
    """QEMU's version."""
    return host.run(["qemu-system-x86_64", "--version"]).text.split("\n", 1)[0].rpartition("version ")[2]
