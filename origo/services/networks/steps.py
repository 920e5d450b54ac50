"""Connecting and disconnecting servers, as steps."""

from origo.model import Connection
from origo.operations.base import Context, Step
from origo.services import networks


class Connect(Step):
    """The host gets bridge, rules and leases for these connections."""

    name = "connect"

    def __init__(self, connections: list[str]) -> None:
        self.connections = connections

    def plan(self, ctx: Context) -> list[str]:
        mine = Connection.select(Connection.network).where(Connection.id.in_(self.connections))
        wanted = networks.desired({row.network_id for row in mine}, extra=frozenset(self.connections))
        return networks.driver(ctx.core).render(wanted).splitlines()

    def do(self, ctx: Context) -> None:
        Connection.update(active=True).where(Connection.id.in_(self.connections)).execute()
        networks.apply(ctx.core, frozenset(self.connections))

    def undo(self, ctx: Context) -> None:
        Connection.update(active=False).where(Connection.id.in_(self.connections)).execute()
        networks.apply(ctx.core, frozenset(self.connections))


class Disconnect(Step):
    """The host forgets these connections; their addresses stay theirs."""

    name = "disconnect"

    def __init__(self, connections: list[str]) -> None:
        self.inverse = Connect(connections)

    def plan(self, ctx: Context) -> list[str]:
        rows = Connection.select().where(Connection.id.in_(self.inverse.connections))
        return [f"remove {row.tap} with address {row.address}" for row in rows]

    def do(self, ctx: Context) -> None:
        self.inverse.undo(ctx)

    def undo(self, ctx: Context) -> None:
        self.inverse.do(ctx)
