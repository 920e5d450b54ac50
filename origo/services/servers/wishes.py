"""What servers are to do: `desired` counts all that was asked for, `settled` only what is done of it."""

import time
from collections.abc import Mapping
from typing import Any

from origo.model import OperationRow, Server
from origo.operations.base import Context
from origo.operations.journal import UNFINISHED

FORWARD = ("queued", "running", "stuck")
STARTS = ("servers.start", "stacks.start")
MOST = 100
"""How many operations are looked through for one that wanted the server to do something."""


def ask(ctx: Context, wishes: Mapping[str, str]) -> None:
    """From now on these servers, by id, are to do this; called when an operation is submitted."""
    ctx.data["wishes"] = dict(wishes)
    for server, wish in wishes.items():
        Server.update(desired=wish).where(Server.id == server).execute()


def settle(ctx: Context) -> None:
    """What this operation asked for is done, unless the guest has ended by itself since."""
    for id, wish in ctx.data.get("wishes", {}).items():
        server = Server.get_by_id(id)
        settled = wish if _asked(server, but=ctx.id) else server.desired
        Server.update(settled=settled).where(Server.id == id).execute()


def withdraw(ctx: Context) -> None:
    """What this operation asked for counts no more: only what others ask for, or what was done before."""
    for id in ctx.data.get("wishes", {}):
        server = Server.get_by_id(id)
        Server.update(desired=_asked(server, but=ctx.id) or server.settled).where(Server.id == id).execute()


def ended(id: str) -> None:
    """A server's guest has ended by itself: it stays down unless something that was not begun yet asks otherwise."""
    desired = _asked(Server.get_by_id(id), among=("queued",)) or "stopped"
    Server.update(desired=desired, settled="stopped").where(Server.id == id).execute()


def at_work(server: Server) -> bool:
    """Whether an operation about it, or about its stack, has begun and not ended."""
    return OperationRow.select().where(_about(server) & OperationRow.status.in_(("running", "undoing"))).exists()


def being_started() -> set[str]:
    """The servers that an unfinished operation starts."""
    starts = OperationRow.kind.in_(STARTS) & OperationRow.status.in_(UNFINISHED)
    rows = OperationRow.select(OperationRow.target, OperationRow.data).where(starts)
    return {server for row in rows for server in row.data.get("wishes", [row.target])}


def last(server: Server) -> OperationRow | None:
    """The last operation that wanted it to do something, and was not undone."""
    return _last(server, OperationRow.status != "undone")


def started_amid(server: Server, seconds: float) -> bool:
    """Whether it was asked to start less than so long ago, while its guest was still shutting down."""
    row = last(server)
    if row is None or row.kind not in STARTS or row.status == "queued" or _started_since(server, row.id):
        return False
    known = next((one for one in row.data.get("servers", ()) if one["server"] == server.id), row.data)
    recent = row.ended is None or abs(time.time() - row.ended) < seconds
    return recent and not known["up"] and known["was"] not in ("stopped", "crashed")


def _started_since(server: Server, operation: int) -> bool:
    later = (OperationRow.target == server.id) & (OperationRow.id > operation)
    return OperationRow.select().where(later & (OperationRow.kind == "servers.start")).exists()


def _asked(server: Server, *, but: int = 0, among: tuple[str, ...] = FORWARD) -> str | None:
    """What the last operation of those that are not done yet wants of it."""
    row = _last(server, OperationRow.status.in_(among) & (OperationRow.id != but))
    return None if row is None else str(row.data["wishes"][server.id])


def _last(server: Server, which: Any) -> OperationRow | None:
    rows = OperationRow.select().where(_about(server) & which).order_by(OperationRow.id.desc()).limit(MOST)
    return next((row for row in rows if server.id in row.data.get("wishes", {})), None)


def _about(server: Server) -> Any:
    return OperationRow.target.in_([server.id, server.stack_id or server.id])
