"""What lasts about servers, from creating one to removing it for good."""

from typing import Any

from origo.errors import Conflict, NotFound
from origo.model import Connection, Image, Server
from origo.operations.base import Context, Cost, Lock, Operation, Step
from origo.services import listing, nodes, quotas
from origo.services.networks.steps import Connect
from origo.services.servers import parts, steps, wishes

RUNS = ("running", "suspended", "paused", "stopping")


class CreateServer(Operation):
    """A new server with its disks and its connection, started if wanted."""

    kind = "servers.create"
    targets = "servers"

    def prepare(self, ctx: Context) -> None:
        listing.check_free(Server, "server", ctx.args["name"], ctx.args["owner"])
        ctx.data.update(parts.reserve(ctx, ctx.args))

    def target(self, ctx: Context) -> str:
        return str(ctx.data["server"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"server/{ctx.data['server']}"), *parts.masters(ctx.data)]

    def check(self, ctx: Context) -> None:
        parts.check_masters(ctx.data)

    def steps(self, ctx: Context) -> list[Step]:
        start = [steps.Start(ctx.data["server"])] if ctx.data["start"] else []
        return [*parts.connect([ctx.data]), *parts.creation(ctx.data), *start]

    def cost(self, ctx: Context) -> Cost:
        return cost([ctx.data])

    def finish(self, ctx: Context) -> None:
        parts.settle(ctx.data)

    def release(self, ctx: Context) -> None:
        parts.release(ctx.data)


class ServerOperation(Operation):
    """An operation about one server that exists: `args["server"]`."""

    targets = "servers"
    verb: str
    powers: tuple[str, ...] = ("stopped", *RUNS, "crashed")
    """What the server may be doing when it begins."""
    state = "ready"
    desired: str | None = None

    def target(self, ctx: Context) -> str:
        return str(ctx.args["server"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"server/{ctx.args['server']}")]

    def prepare(self, ctx: Context) -> None:
        self.check(ctx)
        server = Server.get_by_id(ctx.args["server"])
        self.admit(ctx, server)
        if wish := self.wish(ctx):
            wishes.ask(ctx, {server.id: wish})

    def wish(self, ctx: Context) -> str | None:
        """What the server is to do from the moment this is asked for."""
        return self.desired

    def earlier(self, ctx: Context) -> dict[str, Any]:
        return parts.earlier(ctx.args["server"])

    def admit(self, ctx: Context, server: Server) -> None:
        """Raise NoRoom when the server's node has too little of something."""

    def check(self, ctx: Context) -> None:
        server = Server.get_or_none(Server.id == ctx.args["server"])
        if server is None:
            raise NotFound(f"cannot {self.verb} server {ctx.args['server']}: it is gone")
        if server.state != self.state:
            raise Conflict(f"cannot {self.verb} server {server.name}: it is {_STATES[server.state]}")
        if server.power not in self.powers:
            raise Conflict(f"cannot {self.verb} server {server.name}: it is {server.power}")

    def finish(self, ctx: Context) -> None:
        wishes.settle(ctx)

    def release(self, ctx: Context) -> None:
        wishes.withdraw(ctx)


class StartServer(ServerOperation):
    """A stopped server runs, connected.

    With `restored` it does what it did before, standing still at once if it was suspended, and nothing new is asked of
    it. With `stack`, its stack's id, it waits for its turn among all that is done with the stack.
    """

    kind = "servers.start"
    verb = "start"
    powers = ("stopped", "crashed", "running")
    desired = "running"

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        ctx.data["connections"] = connections(ctx.args["server"])

    def wish(self, ctx: Context) -> str | None:
        return None if ctx.args.get("restored") else self.desired

    def earlier(self, ctx: Context) -> dict[str, Any]:
        settled = Server.get_by_id(ctx.args["server"]).settled
        return super().earlier(ctx) | {"still": bool(ctx.args.get("restored")) and settled == "suspended"}

    def locks(self, ctx: Context) -> list[Lock]:
        stack = [Lock(f"stack/{ctx.args['stack']}")] if ctx.args.get("stack") else []
        return [*super().locks(ctx), *stack]

    def check(self, ctx: Context) -> None:
        super().check(ctx)
        server = Server.get_by_id(ctx.args["server"])
        if ctx.args.get("restored") and server.desired == "stopped":
            raise Conflict(f"cannot start server {server.name} again: it is to be stopped")

    def admit(self, ctx: Context, server: Server) -> None:
        if server.desired == "stopped" and server.power != "running":
            nodes.admit(ctx.core, server.node, f"start server {server.name}", server.memory_mb)

    def steps(self, ctx: Context) -> list[Step]:
        data = ctx.data
        server = ctx.args["server"]
        connect = [Connect(data["connections"], before([data]))] if data["connections"] else []
        return [*connect, steps.Renew(server), steps.Start(server, was=data["was"], still=data["still"])]

    def cost(self, ctx: Context) -> Cost:
        server = Server.get_by_id(ctx.args["server"])
        return Cost(memory_mb=server.memory_mb, cpus=server.cpus)


class ShutdownServer(ServerOperation):
    """A guest is asked to shut down."""

    kind = "servers.shutdown"
    verb = "shut down"
    powers = RUNS
    desired = "stopped"

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.Shutdown(ctx.args["server"])]

    def cost(self, ctx: Context) -> Cost:
        return _gives_back(ctx)


class PowerOffServer(ServerOperation):
    """A server's power is turned off, whatever its guest does."""

    kind = "servers.poweroff"
    forward_only = True
    verb = "power off"
    desired = "stopped"

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.PowerOff(ctx.args["server"], was="stopped")]

    def cost(self, ctx: Context) -> Cost:
        return _gives_back(ctx)


class SuspendServer(ServerOperation):
    """A running server stands still; its memory stays."""

    kind = "servers.suspend"
    verb = "suspend"
    powers = ("running", "suspended")
    desired = "suspended"

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.Suspend(ctx.args["server"], was=ctx.data["was"])]

    def cost(self, ctx: Context) -> Cost:
        return Cost(downtime="the server stands still until it is resumed")


class ResumeServer(ServerOperation):
    """A suspended or paused server goes on."""

    kind = "servers.resume"
    verb = "resume"
    powers = ("suspended", "paused", "running")
    desired = "running"

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.Resume(ctx.args["server"], was=ctx.data["was"])]


class ResetServer(ServerOperation):
    """A running server's reset button is pushed."""

    kind = "servers.reset"
    verb = "reset"
    powers = RUNS

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.Reset(ctx.args["server"])]

    def cost(self, ctx: Context) -> Cost:
        return Cost(downtime="until the guest has booted again")


class EditServer(ServerOperation):
    """A server's name, memory or CPUs change; a running one notices at its next start."""

    kind = "servers.edit"
    verb = "edit"

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        server = Server.get_by_id(ctx.args["server"])
        self.check_name(ctx, server)
        cost = self.cost(ctx)
        quotas.promise(ctx, server.owner_id, f"edit server {server.name}", memory_mb=cost.memory_mb, cpus=cost.cpus)
        self.admit_more(ctx, server, cost)

    def check_name(self, ctx: Context, server: Server) -> None:
        """Raise Conflict when another server of the owner has the name it is to have."""
        name = ctx.args["changes"].get("name", server.name)
        if name != server.name:
            listing.check_free(Server, "server", name, server.owner_id)

    def admit_more(self, ctx: Context, server: Server, cost: Cost) -> None:
        """Raise NoRoom when the server runs and its node lacks the memory it is to have."""
        if server.desired != "stopped" and cost.memory_mb > 0:
            nodes.admit(ctx.core, server.node, f"edit server {server.name}", cost.memory_mb)

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.Define(ctx.args["server"], new=False, changes=ctx.args["changes"])]

    def cost(self, ctx: Context) -> Cost:
        server = Server.get_by_id(ctx.args["server"])
        changes = ctx.args["changes"]
        return Cost(
            memory_mb=changes.get("memory_mb", server.memory_mb) - server.memory_mb,
            cpus=changes.get("cpus", server.cpus) - server.cpus,
        )

    def finish(self, ctx: Context) -> None:
        server, cost = Server.get_by_id(ctx.args["server"]), self.cost(ctx)
        what = f"edit server {server.name}"
        # Once more: another edit of the same server, or one of that name, may have come first.
        self.check_name(ctx, server)
        quotas.check(server.owner_id, what, memory_mb=cost.memory_mb, cpus=cost.cpus, besides=ctx.id)
        self.admit_more(ctx, server, cost)
        Server.update(**ctx.args["changes"]).where(Server.id == ctx.args["server"]).execute()


class WholeServer(ServerOperation):
    """An operation about a server and all it consists of, described before the first step."""

    def prepare(self, ctx: Context) -> None:
        server = Server.get_by_id(ctx.args["server"])
        if server.stack is not None:
            raise Conflict(
                f"cannot {self.verb} server {server.name}: it belongs to stack {server.stack.name}",
                hint=f"{self.verb} the stack",
            )
        ctx.data.update(parts.describe(server))
        super().prepare(ctx)

    def check(self, ctx: Context) -> None:
        super().check(ctx)
        parts.check_disks(ctx.data, self.verb)

    def locks(self, ctx: Context) -> list[Lock]:
        return [*super().locks(ctx), *(Lock(f"image/{image}") for image in ctx.data["images"])]


class DeleteServer(WholeServer):
    """A server goes into the trash with its disks, powered off."""

    kind = "servers.delete"
    verb = "delete"
    desired = "stopped"

    def steps(self, ctx: Context) -> list[Step]:
        return parts.deletion(ctx.data)

    def cost(self, ctx: Context) -> Cost:
        return _gives_back(ctx)

    def finish(self, ctx: Context) -> None:
        parts.mark(ctx.data, trashed=True)


class UndeleteServer(WholeServer):
    """A server comes out of the trash, stopped."""

    kind = "servers.undelete"
    verb = "undelete"
    state = "trashed"

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        server = Server.get_by_id(ctx.args["server"])
        listing.check_free(Server, "server", server.name, server.owner_id)
        parts.afford(ctx, [ctx.data], f"undelete server {server.name}")

    def steps(self, ctx: Context) -> list[Step]:
        return parts.restoration(ctx.data)

    def finish(self, ctx: Context) -> None:
        parts.mark(ctx.data, trashed=False)


class PurgeServer(WholeServer):
    """A server in the trash is removed for good, with its disks."""

    kind = "servers.purge"
    forward_only = True
    verb = "purge"
    state = "trashed"

    def steps(self, ctx: Context) -> list[Step]:
        return parts.removal(ctx.data)

    def cost(self, ctx: Context) -> Cost:
        rows = Image.select(Image.allocated_bytes).where(Image.id.in_(ctx.data["images"]))
        return Cost(disk_bytes=-sum(row.allocated_bytes for row in rows))

    def finish(self, ctx: Context) -> None:
        parts.forget(ctx.data)


KINDS: tuple[type[Operation], ...] = (
    CreateServer, StartServer, ShutdownServer, PowerOffServer, SuspendServer, ResumeServer, ResetServer, EditServer,
    DeleteServer, UndeleteServer, PurgeServer,
)  # fmt: skip


def connections(server: str) -> list[str]:
    """The ids of a server's connections, in their order."""
    rows = Connection.select(Connection.id).where(Connection.server == server).order_by(Connection.position)
    return [row.id for row in rows]


def before(known: list[dict[str, Any]]) -> dict[str, bool]:
    """Which connections of these servers were active, and whether up, as `Connect` takes it."""
    return {id: one["up"] for one in known for id in one["active"]}


def cost(made: list[dict[str, Any]]) -> Cost:
    """What these reserved servers take; memory only where they start."""
    servers = Server.select().where(Server.id.in_([one["server"] for one in made]))
    images = [disk["image"] for one in made for disk in one["disks"] if disk["how"] != "take"]
    return Cost(
        memory_mb=sum(server.memory_mb for server in servers if server.desired == "running"),
        cpus=sum(server.cpus for server in servers),
        disk_bytes=sum(image.size_bytes for image in Image.select().where(Image.id.in_(images))),
        addresses=sum(len(one["connections"]) for one in made),
    )


def _gives_back(ctx: Context) -> Cost:
    server = Server.get_by_id(ctx.args["server"])
    return Cost(memory_mb=-server.memory_mb, cpus=-server.cpus, downtime="from now on")


_STATES = {"creating": "still being made", "ready": "not in the trash", "trashed": "in the trash"}
