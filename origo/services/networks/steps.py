"""Connecting and disconnecting servers, as steps."""

from collections.abc import Mapping

from origo.model import Connection
from origo.operations.base import Context, Step
from origo.services import networks


class Connect(Step):
    """The host gets bridge, rules and leases for these connections.

    `before` are those that were active already, and whether they were up: when this is undone they are so again.
    """

    name = "connect"

    def __init__(self, connections: list[str], before: Mapping[str, bool] | None = None) -> None:
        self.connections = connections
        self.before = before or {}

    def plan(self, ctx: Context) -> list[str]:
        mine = Connection.select(Connection.network).where(Connection.id.in_(self.connections))
        wanted = networks.desired({row.network_id for row in mine}, extra=frozenset(self.connections))
        return networks.driver(ctx.core).render(wanted).splitlines()

    def do(self, ctx: Context) -> None:
        Connection.update(active=True).where(Connection.id.in_(self.connections)).execute()
        networks.apply(ctx.core, frozenset(self.connections))

    def undo(self, ctx: Context) -> None:
        new = [id for id in self.connections if id not in self.before]
        Connection.update(active=False).where(Connection.id.in_(new)).execute()
        networks.apply(ctx.core, frozenset(self.connections), self.before)


class Disconnect(Step):
    """The host forgets these connections; their addresses stay theirs.

    `active` are those that it knew, and `up` says whether their server was to run.
    """

    name = "disconnect"

    def __init__(self, connections: list[str], active: list[str], *, up: bool) -> None:
        self.connections = connections
        self.active = active
        self.up = up

    def plan(self, ctx: Context) -> list[str]:
        rows = Connection.select().where(Connection.id.in_(self.active))
        return [f"remove {row.tap} with address {row.address}" for row in rows]

    def do(self, ctx: Context) -> None:
        Connection.update(active=False).where(Connection.id.in_(self.connections)).execute()
        networks.apply(ctx.core, frozenset(self.connections))

    def undo(self, ctx: Context) -> None:
        Connection.update(active=True).where(Connection.id.in_(self.active)).execute()
        networks.apply(ctx.core, frozenset(self.connections), dict.fromkeys(self.active, self.up))
