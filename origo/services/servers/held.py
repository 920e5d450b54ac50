"""Servers that their hypervisor holds, mostly since a disk of theirs had no room: an issue each, until they go on."""

import time

from origo.contracts import Power
from origo.errors import NotFound, OrigoError, Unavailable
from origo.model import Disk, Image, OperationRow, Pool, Server
from origo.operations.core import Core
from origo.operations.journal import UNFINISHED
from origo.services import issues, pools
from origo.services.access import SYSTEM
from origo.services.servers import operations

ISSUE = "held/"
ROOM_BYTES = 256 << 20
"""With less room in a pool its servers stay held: they would be again in a moment."""
AGAIN_SECONDS = 600
"""How long after a server could not go on that is tried again."""
MAKE_ROOM = "purge what is in the trash, or give the pool more room; the server then goes on by itself"


def look(core: Core) -> None:
    """Let every held server that is to run go on once all its pools have room, and report those that cannot."""
    held = Server.select().where((Server.state == "ready") & (Server.power == Power.PAUSED))
    told = {server.id for server in list(held) if _look_at(core, server)}
    issues.end_others(core.events, ISSUE, told)


def _look_at(core: Core, server: Server) -> bool:
    """Let it go on, unless that cannot be or is under way; whether its issue, if there is one, stays."""
    full = [pool.name for pool in _pools(server) if not _has_room(core, pool)]
    if full:
        _report(core, server, f"there is no room in pool {' and '.join(full)}", MAKE_ROOM)
        return True
    if server.desired != "running":
        return False
    last = OperationRow.select().where(OperationRow.target == server.id).order_by(OperationRow.id.desc()).first()
    if last is not None and last.status in UNFINISHED:
        return True
    refused = last is not None and last.kind == operations.ResumeServer.kind and last.status == "undone"
    if refused:
        _report(core, server, last.error["message"], f"origo servers reset {server.id}; it then goes on")
    if not refused or time.time() - last.ended > AGAIN_SECONDS:
        _resume(core, server)
    return refused


def _pools(server: Server) -> list[Pool]:
    images = Disk.select(Disk.image).where(Disk.server == server)
    return list(Pool.select().where(Pool.id.in_(Image.select(Image.pool).where(Image.id.in_(images)))))


def _has_room(core: Core, pool: Pool) -> bool:
    try:
        return pools.driver(core, pool).usage(pools.spec(pool)).free_bytes >= ROOM_BYTES
    except (NotFound, Unavailable):
        return False


def _report(core: Core, server: Server, why: str, remedy: str) -> None:
    issues.raise_(
        core.events,
        f"{ISSUE}{server.id}",
        f"server {server.name} stands still: {why}",
        remedy=remedy,
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
