"""Servers that their hypervisor holds since a disk of theirs had no room: an issue each, and they go on once it has."""

from origo.contracts import Power
from origo.errors import NotFound, OrigoError, Unavailable
from origo.model import Disk, Image, Pool, Server
from origo.operations.core import Core
from origo.services import issues, pools
from origo.services.access import SYSTEM
from origo.services.servers import operations

ISSUE = "held/"
ROOM_BYTES = 256 << 20
"""With less room in a pool its servers stay held: they would be again in a moment."""


def look(core: Core) -> None:
    """Let every held server that is to run go on if all its pools have room, and report the others."""
    held = Server.select().where((Server.state == "ready") & (Server.power == Power.PAUSED))
    full = {}
    for server in held:
        full[server.id] = [pool.name for pool in _pools(server) if not _has_room(core, pool)]
        if full[server.id]:
            _report(core, server, full[server.id])
        elif server.desired == "running":
            _resume(core, server)
    issues.end_others(core.events, ISSUE, {server for server, names in full.items() if names})


def _pools(server: Server) -> list[Pool]:
    images = Disk.select(Disk.image).where(Disk.server == server)
    return list(Pool.select().where(Pool.id.in_(Image.select(Image.pool).where(Image.id.in_(images)))))


def _has_room(core: Core, pool: Pool) -> bool:
    try:
        return pools.driver(core, pool).usage(pools.spec(pool)).free_bytes >= ROOM_BYTES
    except (NotFound, Unavailable):
        return False


def _report(core: Core, server: Server, names: list[str]) -> None:
    issues.raise_(
        core.events,
        f"{ISSUE}{server.id}",
        f"server {server.name} stands still: there is no room in pool {' and '.join(names)}",
        remedy="purge what is in the trash, or give the pool more room; the server then goes on by itself",
        severity="error",
        noun="servers",
        target=server.id,
        owner=server.owner_id,
    )


def _resume(core: Core, server: Server) -> None:
    try:
        core.operations.submit(operations.ResumeServer(), {"server": server.id, "owner": server.owner_id}, by=SYSTEM.id)
    except OrigoError as error:
        core.events.emit("server.not-resumed", "servers", server.id, owner=server.owner_id, sentence=error.message)
