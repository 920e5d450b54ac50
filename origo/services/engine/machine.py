"""What an installed machine needs to stand on its own: each thing looked at, with a remedy."""

import re
from collections.abc import Callable, Iterator

from origo import reserve, supervise
from origo.errors import OrigoError, size
from origo.model import Pool
from origo.operations.core import Core
from origo.services import issues, nodes
from origo.services.engine import programs

Found = tuple[bool, str, str]
"""Whether it is well, how it is, and what to do."""

ROOM = 1 << 30
LITTLE = 256 << 20
MORE_ROOM = "`apt clean`, `journalctl --vacuum-size=200M`, or purge what is in the trash"
ZFS = "/sys/module/zfs"
ARC = "/sys/module/zfs/parameters/zfs_arc_max"
KERNELS = "linux-version"
"""Debian's program that knows the order of kernels; it is there wherever Debian's kernels are."""
RESTART = "/run/reboot-required"
RESTART_ISSUE = "engine/restart"
ROOM_ISSUE = "engine/room"
KERNEL_ISSUE = "engine/kernel"
UNITS_ISSUE = "engine/units"
MOST_UNITS = 10


def checks(core: Core) -> Iterator[tuple[str, bool, str, str]]:
    """What was looked at, and what was found; where one cannot be looked at, that is told, and the others go on."""
    for about, look in LOOKS.items():
        try:
            found = look(core)
        except OrigoError as error:
            found = False, error.message, error.hint or "`journalctl -b -p warning` may say why"
        if found:
            yield about, *found


def restart_due(core: Core) -> str:
    """Why the machine has to be restarted for its updates to hold; empty if it has not."""
    if not core.local.exists(RESTART):
        return ""
    names = f"{RESTART}.pkgs"
    packages = core.local.read(names).decode(errors="replace").split() if core.local.exists(names) else []
    shown = ", ".join(dict.fromkeys(packages[:10]))
    return f"updates wait for a restart of the machine{f': {shown}' if shown else ''}"


def tell_of_restart(core: Core) -> None:
    """Say as issues that a restart is due, and that one would miss pools; the engine never restarts the machine.

    Raises OrigoError if the kernels cannot be looked at.
    """
    if due := restart_due(core):
        remedy = "restart it when it suits: servers are shut down in their order, and come back"
        issues.raise_(core.events, RESTART_ISSUE, due, remedy=remedy)
    else:
        issues.end(core.events, RESTART_ISSUE)
    fine, sentence, remedy = (supervise.runs_us() and _kernel(core)) or (True, "", "")
    if not fine:
        issues.raise_(core.events, KERNEL_ISSUE, sentence, remedy=remedy)
    else:
        issues.end(core.events, KERNEL_ISSUE)


def tell_of_room(core: Core) -> None:
    """Say as an issue that the disk with the home is all but full; some of it is kept back for the engine itself.

    Raises OrigoError if it cannot be looked at, or the issue not be written.
    """
    home = core.config.home
    reserve.keep(home)
    free_bytes = core.local.space(str(home)).free_bytes
    if free_bytes >= LITTLE:
        issues.end(core.events, ROOM_ISSUE)
        return
    how = "full, and nothing is begun that takes room" if reserve.is_full(home) else "nearly full"
    sentence = f"the disk with the engine's own data is {how}: {size(free_bytes)} are left"
    issues.raise_(core.events, ROOM_ISSUE, sentence, remedy=MORE_ROOM, severity="error")


def tell_of_units(core: Core) -> None:
    """Say as an issue which units of systemd have failed, where the machine has no other job.

    Raises OrigoError if systemd cannot be asked.
    """
    if not supervise.runs_us():
        return
    if not (failed := _failed_units(core)):
        issues.end(core.events, UNITS_ISSUE)
        return
    shown, more = failed[:MOST_UNITS], len(failed) - MOST_UNITS
    sentence = f"units of systemd have failed: {', '.join(shown)}{f' and {more} more' if more > 0 else ''}"
    over = f"once it is mended, or needs no mending, `systemctl reset-failed {' '.join(shown)}`"
    issues.raise_(core.events, UNITS_ISSUE, sentence, remedy=f"`journalctl -u {failed[0]}` says why; {over}")


def _failed_units(core: Core) -> list[str]:
    said = _said(core, "systemctl", "list-units", "--failed", "--plain", "--no-legend")
    return [line.split()[0] for line in said.splitlines() if line.split()]


def _said(core: Core, *argv: str) -> str:
    return core.local.run(argv, timeout=20).text.strip()


def _clock(core: Core) -> Found:
    right = _said(core, "timedatectl", "show", "--property=NTPSynchronized", "--value") == "yes"
    sentence = "it is set by a time server" if right else "no time server has set it"
    return right, sentence, "`systemctl status systemd-timesyncd`; a time server is named in timesyncd.conf"


def _kvm(core: Core) -> Found:
    there = core.local.exists("/dev/kvm")
    sentence = "the processor runs servers itself" if there else "there is no /dev/kvm: servers are emulated, and slow"
    return there, sentence, "turn virtualisation on in the machine's firmware, or for this virtual machine"


def _zfs(core: Core) -> Found:
    if core.local.exists(ZFS):
        return True, "its module is loaded", ""
    wanted = _uses_zfs()
    sentence = "its module is not loaded" + ("" if wanted else "; no pool needs it")
    return not wanted, sentence, "`modprobe zfs` says why; after a new kernel: `dkms autoinstall`"


def _kernel(core: Core) -> Found | None:
    """Whether the kernel that the machine boots next, the newest, has the module that pools need."""
    if not (_uses_zfs() and core.local.exists(f"/usr/bin/{KERNELS}")):
        return None
    kernels = _said(core, KERNELS, "list").split()
    if not kernels:
        return None
    newest = _said(core, KERNELS, "sort", "--reverse", *kernels).split()[0]
    fine = core.local.run(["modinfo", "-k", newest, "zfs"], timeout=20, check=False).code == 0
    sentence = f"{newest}, which boots next, {'has ZFS' if fine else 'has no ZFS: pools would be missing'}"
    remedy = f"before a restart: `apt install linux-headers-{newest}`, then `dkms autoinstall`"
    return fine, f"the kernel {sentence}", remedy


def _uses_zfs() -> bool:
    return Pool.select().where(Pool.driver == "storage_zfs").exists()


def _cache(core: Core) -> Found | None:
    if not core.local.exists(ZFS):
        return None
    bound = int(core.local.read(ARC).decode().strip() or 0)
    fine = 0 < bound <= (nodes.meminfo(core)["MemTotal"] << 10) // 2
    sentence = f"it takes at most {size(bound)}" if bound else "it takes as much memory as there is"
    return fine, sentence, "`systemctl restart origo-zfs-cache`, or zfs_arc_max in /etc/modprobe.d"


def _room(core: Core) -> Found:
    space = core.local.space(str(core.config.home))
    sentence = f"{size(space.free_bytes)} of {size(space.total_bytes)} are free"
    return space.free_bytes >= ROOM, sentence, MORE_ROOM


def _units(core: Core) -> Found:
    failed = _failed_units(core)
    sentence = f"failed: {', '.join(failed)}" if failed else "none has failed"
    return not failed, sentence, f"`journalctl -u {failed[0] if failed else 'UNIT'}` says why"


def _updates(core: Core) -> Found:
    there = core.local.exists("/usr/bin/unattended-upgrade")
    days = re.findall(r'"(.*)"', _said(core, "apt-config", "dump", "APT::Periodic::Unattended-Upgrade"))
    on = any(every not in ("", "0") for every in days)
    sentence = "installed by themselves" if there and on else "not installed by themselves"
    return there and on, sentence, "`apt install unattended-upgrades`; see 52origo in /etc/apt/apt.conf.d"


def _logs(core: Core) -> Found:
    said = _said(core, "systemd-analyze", "cat-config", "systemd/journald.conf")
    bounds = re.findall(r"^SystemMaxUse[ \t]*=[ \t]*(\S*)", said, re.MULTILINE)
    bound = bounds[-1] if bounds else ""
    sentence = f"the journal takes at most {bound}" if bound else "the journal has no bound but a tenth of the disk"
    return bool(bound), sentence, "set SystemMaxUse= in /etc/systemd/journald.conf"


def _restart(core: Core) -> Found:
    due = restart_due(core)
    return not due, due or "none is due", "restart the machine when it suits: servers come back by themselves"


LOOKS: dict[str, Callable[[Core], Found | None]] = {
    "clock": _clock,
    "KVM": _kvm,
    "ZFS": _zfs,
    "kernel": _kernel,
    "cache of ZFS": _cache,
    "engine's disk": _room,
    "units of systemd": _units,
    "security updates": _updates,
    "programs": programs.look,
    "logs": _logs,
    "restart": _restart,
}
