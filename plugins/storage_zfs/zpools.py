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
    mounted, and whether room is kept back (`spare`)."""

    guid: str
    owner: str
    health: str
    used_bytes: int
    free_bytes: int
    dataset: bool
    mounted: bool
    mountpoint: str
    spare: bool


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
    )


def silent(error: CommandFailed) -> str:
    """The sentence of a ZFS that does not answer; what else its tools advise, in more lines, is in the remedy."""
    return f"cannot talk to ZFS: {why(error).splitlines()[0]}"


def why(error: CommandFailed) -> str:
    """What a command said when it failed, or why it could not be run."""
    return str(error.details.get("error", "")).strip()[-300:] or error.message
