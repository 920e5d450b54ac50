"""Servers that are to be on and are off without anybody's doing: an issue each, until they are on or not wanted."""

from origo.model import Server
from origo.operations.core import Core
from origo.services import issues
from origo.services.servers import wishes

ISSUE = "outage/"


def look(core: Core) -> None:
    """Report every server that crashed, was killed or could not be started again, and that nobody starts now."""
    off = (Server.state == "ready") & Server.power.in_(("stopped", "crashed")) & (Server.desired != "stopped")
    starting = wishes.being_started()
    out = {server.id: server for server in Server.select().where(off) if server.id not in starting}
    for server in out.values():
        issues.raise_(
            core.events,
            f"{ISSUE}{server.id}",
            f"cannot keep server {server.name} on: it went off, and nobody asked for that",
            remedy=f"origo servers start {server.id}",
            noun="servers",
            target=server.id,
            owner=server.owner_id,
        )
    issues.end_others(core.events, ISSUE, out)
