"""A ZFS pool as this host sees it now."""

from dataclasses import dataclass

from origo_plugins.storage_zfs import commands, parse
from origo_plugins.storage_zfs.options import Wanted

from origo.errors import CommandFailed, Unavailable
from origo.host import Host

MEND = "`apt install zfsutils-linux zfs-dkms` (contrib), for a new kernel `dkms autoinstall`; then `modprobe zfs`"
"""What makes ZFS answer, from a machine without it to one whose kernel was updated."""


@dataclass(frozen=True)
class Found:
    """An imported ZFS pool: whose it is, its health, its room, and whether its dataset is there and
    mounted, whether room is kept back (`spare`), whether the machine imports it at a boot by itself (`cached`), and
    which of the dataset's guards are lacking (`unguarded`)."""

    guid: str
    owner: str
    health: str
    used_bytes: int
    free_bytes: int
    dataset: bool
    mounted: bool
    mountpoint: str
    spare: bool
    cached: bool
    unguarded: tuple[str, ...]


def find(host: Host, wanted: Wanted) -> Found | None:
    """The imported ZFS pool of that name; None if there is none. Raises Unavailable when ZFS does not answer."""
    try:
        listed = host.run(commands.POOLS)
    except CommandFailed as error:
        raise Unavailable(silent(error), hint=MEND) from error
    pools = parse.pools(listed.out)
    if wanted.zpool not in pools:
        return None
    try:
        result = host.run(commands.properties(wanted))
    except CommandFailed as error:
        raise Unavailable(f"cannot look at the ZFS pool {wanted.zpool}: {why(error)}") from error
    properties = parse.properties(result.out)
    top, below = properties.get(wanted.zpool, {}), properties.get(wanted.dataset, {})
    return Found(
        guid=pools[wanted.zpool][0],
        owner=top.get(commands.OWNER, ""),
        health=pools[wanted.zpool][1],
        used_bytes=parse.number(below or top, "used"),
        free_bytes=parse.number(below or top, "available"),
        dataset=bool(below),
        mounted=below.get("mounted") == "yes",
        mountpoint=below.get("mountpoint", ""),
        spare=top.get("refreservation", "0") not in ("0", "none"),
        cached=pools[wanted.zpool][2],
        unguarded=tuple(name for name, value in commands.GUARDS.items() if below.get(name, value) != value),
    )


def astray(host: Host, wanted: Wanted) -> tuple[str, str]:
    """What of an imported ZFS pool would lie among the files of this machine besides its own dataset, or be given to
    other machines: its name, and a sentence; both empty if nothing would."""
    try:
        found = parse.datasets(host.run(commands.datasets(wanted)).out)
    except CommandFailed as error:
        raise Unavailable(f"cannot look at the ZFS pool {wanted.zpool}: {why(error)}") from error
    for one in found:
        if one.name == wanted.dataset and one.shared:
            return one.name, f"its dataset {one.name} would be shared with other machines"
        if one.name != wanted.dataset and one.mountpoint:
            return one.name, f"it has another dataset, {one.name}, that would be mounted at {one.mountpoint!r}"
    return "", ""


def silent(error: CommandFailed) -> str:
    """The sentence of a ZFS that does not answer; what else its tools advise, in more lines, is in the remedy."""
    return f"cannot talk to ZFS: {why(error).splitlines()[0]}"


def why(error: CommandFailed) -> str:
    """What a command said when it failed, or why it could not be run."""
    return str(error.details.get("error", "")).strip()[-300:] or error.message
