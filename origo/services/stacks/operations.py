"""What lasts about stacks: install, start, stop, delete, undelete, purge; each one operation over all their servers."""

import secrets as random
import time
from typing import Any

from origo.errors import Conflict, NotFound
from origo.model import CatalogMaster, CatalogStack, Label, Server, Stack
from origo.operations.base import Context, Cost, Lock, Operation, Step
from origo.services import listing, naming, nodes
from origo.services.catalog import descriptor
from origo.services.catalog.descriptor import Descriptor, Member
from origo.services.networks.steps import Connect
from origo.services.servers import operations as server_operations
from origo.services.servers import parts, steps, wishes
from origo.services.stacks.seeding import WriteSeed

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class InstallStack(Operation):
    """All servers of a stack: cloned, connected, told who they are, started in order; all or nothing."""

    kind = "stacks.install"
    targets = "stacks"

    def prepare(self, ctx: Context) -> None:
        entry = CatalogStack.get_by_id(ctx.args["entry"])
        name = ctx.args["name"]
        if entry.state != "ready":
            raise Conflict(f"cannot install {entry.name}: it is just being taken out of the catalog")
        listing.check_free(Stack, "stack", name, ctx.args["owner"])
        described = descriptor.read(entry.descriptor)
        stack = Stack.create(
            name=name,
            owner=ctx.args["owner"],
            entry=entry,
            label=_new_label(name),
            page=_page(described),
            answers=ctx.args["answers"],
            secret=ctx.args["secret"],
        )
        ctx.data["stack"] = stack.id
        ctx.data["servers"] = [parts.reserve(ctx, wanted) for wanted in _wanted(stack, entry, described)]

    def target(self, ctx: Context) -> str:
        return str(ctx.data["stack"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        locks = {lock.name: lock for made in ctx.data["servers"] for lock in parts.masters(made)}
        servers = [Lock(f"server/{made['server']}") for made in ctx.data["servers"]]
        return [Lock(f"stack/{ctx.data['stack']}"), *servers, *locks.values()]

    def check(self, ctx: Context) -> None:
        if CatalogStack.get_or_none(CatalogStack.id == ctx.args["entry"]) is None:
            raise NotFound(f"cannot install {ctx.args['name']}: its stack was taken out of the catalog meanwhile")
        for made in ctx.data["servers"]:
            parts.check_masters(made)

    def steps(self, ctx: Context) -> list[Step]:
        made = ctx.data["servers"]
        files = [step for one in made for step in (WriteSeed(one["server"]), *parts.creation(one))]
        return [*parts.connect(made), *files, *(steps.Start(one["server"]) for one in made)]

    def cost(self, ctx: Context) -> Cost:
        return server_operations.cost(ctx.data["servers"])

    def finish(self, ctx: Context) -> None:
        for made in ctx.data["servers"]:
            parts.settle(made)
        Stack.update(state="ready").where(Stack.id == ctx.data["stack"]).execute()

    def release(self, ctx: Context) -> None:
        for made in ctx.data["servers"]:
            parts.release(made)
        Stack.delete().where(Stack.id == ctx.data["stack"]).execute()


class StackOperation(Operation):
    """An operation about one stack that exists: `args["stack"]`."""

    targets = "stacks"
    verb: str
    state = "ready"
    desired: str | None = None
    """What all its servers are to do from the moment this is asked for."""

    def target(self, ctx: Context) -> str:
        return str(ctx.args["stack"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def prepare(self, ctx: Context) -> None:
        self.check(ctx)
        mine = Server.select().where(Server.stack == ctx.args["stack"])
        servers = list(mine.order_by(Server.position, Server.created))
        ctx.data["servers"] = [parts.describe(server) for server in servers]
        self.admit(ctx, servers)
        if self.desired:
            wishes.ask(ctx, {server.id: self.desired for server in servers})

    def admit(self, ctx: Context, servers: list[Server]) -> None:
        """Raise NoRoom when a node has too little of something."""

    def earlier(self, ctx: Context) -> dict[str, Any]:
        return {"servers": [known | parts.earlier(known["server"]) for known in ctx.data["servers"]]}

    def check(self, ctx: Context) -> None:
        stack = Stack.get_or_none(Stack.id == ctx.args["stack"])
        if stack is None:
            raise NotFound(f"cannot {self.verb} stack {ctx.args['stack']}: it is gone")
        if stack.state != self.state:
            where = {"creating": "still being made", "ready": "not in the trash", "trashed": "in the trash"}
            raise Conflict(f"cannot {self.verb} stack {stack.name}: it is {where[stack.state]}")
        for known in ctx.data.get("servers", ()):
            parts.check_disks(known, f"{self.verb} the stack of")

    def locks(self, ctx: Context) -> list[Lock]:
        servers = [Lock(f"server/{known['server']}") for known in ctx.data["servers"]]
        images = [Lock(f"image/{image}") for known in ctx.data["servers"] for image in known["images"]]
        return [Lock(f"stack/{ctx.args['stack']}"), *servers, *images]

    def finish(self, ctx: Context) -> None:
        wishes.settle(ctx)

    def release(self, ctx: Context) -> None:
        wishes.withdraw(ctx)


class StartStack(StackOperation):
    """All servers of a stack run, started in their order."""

    kind = "stacks.start"
    verb = "start"
    desired = "running"

    def admit(self, ctx: Context, servers: list[Server]) -> None:
        stack = Stack.get_by_id(ctx.args["stack"])
        asleep = [server for server in servers if server.desired == "stopped"]
        for node in {server.node for server in asleep}:
            needed = sum(server.memory_mb for server in asleep if server.node == node)
            nodes.admit(ctx.core, node, f"start stack {stack.name}", needed)

    def steps(self, ctx: Context) -> list[Step]:
        known = ctx.data["servers"]
        connections = [id for one in known for id in one["connections"]]
        made: list[Step] = [Connect(connections, server_operations.before(known))]
        for one in known:
            made += [steps.Renew(one["server"]), steps.Start(one["server"], was=one["was"])]
        return made

    def cost(self, ctx: Context) -> Cost:
        servers = list(Server.select().where(Server.stack == ctx.args["stack"]))
        return Cost(memory_mb=sum(server.memory_mb for server in servers), cpus=sum(server.cpus for server in servers))


class StopStack(StackOperation):
    """All guests of a stack are asked to shut down, the last started first."""

    kind = "stacks.stop"
    verb = "stop"
    desired = "stopped"

    def steps(self, ctx: Context) -> list[Step]:
        known = ctx.data["servers"]
        return [steps.Shutdown(one["server"], before=_started_after(one, known)) for one in reversed(known)]

    def cost(self, ctx: Context) -> Cost:
        return _gives_back(ctx)


class DeleteStack(StackOperation):
    """A stack goes into the trash with its servers and their disks."""

    kind = "stacks.delete"
    verb = "delete"
    desired = "stopped"

    def steps(self, ctx: Context) -> list[Step]:
        return [step for known in reversed(ctx.data["servers"]) for step in parts.deletion(known)]

    def cost(self, ctx: Context) -> Cost:
        return _gives_back(ctx)

    def finish(self, ctx: Context) -> None:
        for known in ctx.data["servers"]:
            parts.mark(known, trashed=True)
        Stack.update(state="trashed", trashed=time.time()).where(Stack.id == ctx.args["stack"]).execute()


class UndeleteStack(StackOperation):
    """A stack comes out of the trash, stopped."""

    kind = "stacks.undelete"
    verb = "undelete"
    state = "trashed"

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        stack = Stack.get_by_id(ctx.args["stack"])
        listing.check_free(Stack, "stack", stack.name, stack.owner_id)
        parts.afford(ctx, ctx.data["servers"], f"undelete stack {stack.name}")

    def steps(self, ctx: Context) -> list[Step]:
        return [step for known in ctx.data["servers"] for step in parts.restoration(known)]

    def finish(self, ctx: Context) -> None:
        for known in ctx.data["servers"]:
            parts.mark(known, trashed=False)
        Stack.update(state="ready", trashed=None).where(Stack.id == ctx.args["stack"]).execute()


class PurgeStack(StackOperation):
    """A stack in the trash is removed for good, with its data."""

    kind = "stacks.purge"
    forward_only = True
    verb = "purge"
    state = "trashed"

    def steps(self, ctx: Context) -> list[Step]:
        return [step for known in ctx.data["servers"] for step in parts.removal(known)]

    def finish(self, ctx: Context) -> None:
        for known in ctx.data["servers"]:
            parts.forget(known)
        Stack.delete().where(Stack.id == ctx.args["stack"]).execute()


KINDS: tuple[type[Operation], ...] = (InstallStack, StartStack, StopStack, DeleteStack, UndeleteStack, PurgeStack)


def _new_label(name: str) -> str:
    """A label that was never used before, noted as used."""
    while True:
        label = f"{naming.host_name(name)[:40].rstrip('-')}-{''.join(random.choice(ALPHABET) for _ in range(6))}"
        if not Label.select().where(Label.label == label).exists():
            Label.create(label=label, created=time.time())
            return label


def _page(described: Descriptor) -> dict[str, Any] | None:
    if described.page is None:
        return None
    first = next(member for member in described.members if member.name == described.page.server).servers[0]
    return {"member": first, "port": described.page.port, "path": described.page.path}


def _wanted(stack: Stack, entry: CatalogStack, described: Descriptor) -> list[dict[str, Any]]:
    """What `parts.reserve` takes for each server, in the order of their start."""
    rows = CatalogMaster.select().where(CatalogMaster.entry == entry)
    masters = {(row.member, row.role): row.image_id for row in rows}
    several = sum(member.count for member in described.members) > 1
    found: list[dict[str, Any]] = []
    for member in sorted(described.members, key=lambda member: member.order):
        for instance in member.servers:
            name = f"{stack.name}-{instance}" if several else stack.name
            wanted = _wanted_server(stack, member, name, masters)
            found.append(wanted | {"member": instance, "position": member.order})
    return found


def _wanted_server(stack: Stack, member: Member, name: str, masters: dict[tuple[str, str], str]) -> dict[str, Any]:
    disks = [{"role": "system", "name": name, "size_bytes": member.system_bytes}]
    if member.data_bytes:
        disks.append({"role": "data", "name": f"{name}-data", "size_bytes": member.data_bytes})
    return {
        "name": name,
        "owner": stack.owner_id,
        "stack": stack.id,
        "memory_mb": member.memory_mb,
        "cpus": member.cpus,
        "start": True,
        "seed": True,
        "network": "",
        "ports": list(member.ports),
        "disks": [disk | {"master": masters[member.name, str(disk["role"])]} for disk in disks],
    }


def _started_after(one: dict[str, Any], known: list[dict[str, Any]]) -> list[str]:
    return [other["server"] for other in known if other["position"] > one["position"]]


def _gives_back(ctx: Context) -> Cost:
    servers = list(Server.select().where((Server.stack == ctx.args["stack"]) & (Server.power != "stopped")))
    return Cost(
        memory_mb=-sum(server.memory_mb for server in servers),
        cpus=-sum(server.cpus for server in servers),
        addresses=0,
        downtime="from now on",
    )
