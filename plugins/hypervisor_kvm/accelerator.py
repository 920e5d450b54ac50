"""Whether guests can run on the processor itself: found out by running one, since /dev/kvm alone proves nothing."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from origo_plugins.hypervisor_kvm.machine import EMULATOR

from origo.contracts import Lack
from origo.errors import CommandFailed, NotFound, OrigoError, Unavailable
from origo.host import Host

SECONDS = 30
"""How long the trial guest may take: a machine that has just booted is busy, and the answer holds for that boot."""
EXITED = 0x21
"""What QEMU ends with when the guest writes 0x10 to its exit port."""

USER = "libvirt-qemu"
"""Whom libvirt runs guests as: what root may do with /dev/kvm says nothing."""

BOOT_SECTOR = bytes.fromhex("baf400b010eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"
"""mov dx, 0xf4; mov al, 0x10; out dx, al; hlt; jmp: all that a guest must do to prove that it ran."""

EMULATED = "guests are emulated, many times slower than on KVM"
FORCED = {"kvm": (True, "guests run on KVM, as configured"), "emulation": (False, f"{EMULATED}, as configured")}


@dataclass(frozen=True)
class Answer:
    """Whether KVM works here, in a sentence; true for one boot of the machine and one QEMU."""

    works: bool
    sentence: str
    boot: str
    version: str
    remedy: str = ""

    @property
    def kind(self) -> str:
        """libvirt's word for it."""
        return "kvm" if self.works else "qemu"

    def lacks(self) -> list[Lack]:
        """Emulation as something to be mended, unless somebody wants it so."""
        return [Lack(self.sentence, self.remedy, fatal=False)] if self.remedy else []


class Accelerator:
    """Asks once, in the background, and remembers the answer in the folder `state` until QEMU or the boot changes."""

    def __init__(self, host: Host, state: str, *, forced: str = "") -> None:
        self.host = host
        self.state = state
        self.forced = forced
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        threading.Thread(target=self._ask_quietly, name="accelerator", daemon=True).start()

    def answer(self) -> Answer:
        """The answer; waits while it is being found out. Raises Unavailable when it cannot be."""
        with self._lock:
            if self._answer is None:
                self._answer = self._find_out()
            return self._answer

    def _ask_quietly(self) -> None:
        try:
            self.answer()
        except OrigoError:
            return

    def _find_out(self) -> Answer:
        try:
            here = partial(Answer, boot=boot(self.host), version=version(self.host))
        except CommandFailed as error:
            raise Unavailable(error.message, hint="install the package qemu-system-x86") from error
        if self.forced in FORCED:
            return here(*FORCED[self.forced])
        path = f"{self.state}/accelerator.json"
        try:
            found = Answer(**json.loads(self.host.read(path)))
            if here(found.works, found.sentence, remedy=found.remedy) == found:
                return found
        except (NotFound, ValueError, TypeError):
            pass
        found = probe(self.host, self.state, here)
        self.host.write(path, json.dumps(asdict(found)).encode())
        return found


def probe(host: Host, state: str, here: Callable[..., Answer]) -> Answer:
    """Run a guest of nine bytes on KVM; `here` makes the answer out of what came of it."""
    host.make_folder(state, mode=0o711)
    if not host.exists("/dev/kvm"):
        remedy = "turn virtualisation on in the machine's firmware, or nested virtualisation on its host"
        return here(False, f"{EMULATED}: there is no /dev/kvm", remedy=remedy)
    try:
        result = host.run(trial(write_image(host, state), "kvm"), timeout=SECONDS, check=False, user=USER)
    except CommandFailed as error:
        why = error.message.removeprefix("cannot ")
    else:
        if result.code == EXITED:
            return here(True, "guests run on KVM")
        said = result.err.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"QEMU ended with {result.code}"
    remedy = "see that this machine really offers virtualisation, and that /dev/kvm belongs to the group kvm"
    return here(False, f"{EMULATED}: a trial guest on KVM failed: {why}", remedy=remedy)


def write_image(host: Host, state: str) -> str:
    """Write the trial guest's disk; its path."""
    image = f"{state}/probe.img"
    host.write(image, BOOT_SECTOR)
    return image


def trial(image: str, accelerator: str) -> list[str]:
    """The command that runs the trial guest, with the processor that guests get: some have no other trouble."""
    processor = "host" if accelerator == "kvm" else "max"
    argv = [EMULATOR, "-accel", accelerator, "-cpu", processor, "-machine", "q35", "-m", "16", "-nodefaults"]
    argv += ["-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    return [*argv, "-drive", f"file={image},format=raw,if=floppy,readonly=on"]


def boot(host: Host) -> str:
    """Names this boot of the machine."""
    return host.read("/proc/sys/kernel/random/boot_id", limit=64).decode().strip()


def version(host: Host) -> str:
    """QEMU's version."""
    return host.run([EMULATOR, "--version"]).text.split("\n", 1)[0].rpartition("version ")[2]
