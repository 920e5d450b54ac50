"""What lasts about networks: rows that come and go like everything else, with a plan, an event and a journal."""

from origo.errors import Conflict, NoRoom, NotFound
from origo.model import Connection, Network, database
from origo.operations.base import Context, Lock, Operation, Step
from origo.operations.core import Core
from origo.services import issues, listing, quotas

FIRST, LAST = 256, 65535
"""Numbers of networks: they make the subnet, from 10.1.0.0/24 on."""


def add(core: Core, owner: str, name: str, *, nat: bool, state: str = "ready") -> Network:
    """A row with every name the network will have outside; called inside a transaction. Raises QuotaExceeded."""
    quotas.check(owner, f"create network {name}", networks=1)
    listing.check_free(Network, "network", name, owner)
    number = _free_number()
    prefix = f"10.{number >> 8}.{number & 255}"
    return Network.create(
        name=name,
        number=number,
        owner=owner,
        driver=core.config["network"],
        bridge=f"origo{number}",
        subnet=f"{prefix}.0/24",
        gateway=f"{prefix}.1",
        nat=nat,
        state=state,
    )


class NetworkStep(Step):
    """A step about one network: only its row, since a bridge is there only while a server is connected."""

    def __init__(self, network: str) -> None:
        self.network = network

    def described(self) -> str:
        """The network as a line of a plan."""
        row = Network.get_by_id(self.network)
        outside = "a way outside" if row.nat else "no way outside"
        return f"network {row.name}: {row.subnet} with gateway {row.gateway} on bridge {row.bridge}, {outside}"

    def set_state(self, state: str) -> None:
        """Let the row say that the network is in this state."""
        Network.update(state=state).where(Network.id == self.network).execute()


class OpenNetwork(NetworkStep):
    """From now on servers can be connected to it."""

    name = "open the network"

    def plan(self, ctx: Context) -> list[str]:
        return [self.described(), "the bridge is made when a server is connected"]

    def do(self, ctx: Context) -> None:
        self.set_state("ready")

    def undo(self, ctx: Context) -> None:
        """Nothing: the row goes, unless a server is connected already."""


class CloseNetwork(NetworkStep):
    """From now on no server can be connected to it."""

    name = "close the network"

    def plan(self, ctx: Context) -> list[str]:
        return [f"forget {self.described()}"]

    def do(self, ctx: Context) -> None:
        with database.atomic():
            check_unused(self.network)
            self.set_state("leaving")

    def undo(self, ctx: Context) -> None:
        self.set_state("ready")


class CreateNetwork(Operation):
    """A new network, to which servers can be connected."""

    kind = "networks.create"
    targets = "networks"

    def prepare(self, ctx: Context) -> None:
        args = ctx.args
        ctx.data["network"] = add(ctx.core, args["owner"], args["name"], nat=args["nat"], state="creating").id

    def target(self, ctx: Context) -> str:
        return str(ctx.data["network"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"network/{ctx.data['network']}")]

    def steps(self, ctx: Context) -> list[Step]:
        return [OpenNetwork(ctx.data["network"])]

    def release(self, ctx: Context) -> None:
        used = Connection.select(Connection.network)
        Network.delete().where((Network.id == ctx.data["network"]) & Network.id.not_in(used)).execute()


class DeleteNetwork(Operation):
    """A network without servers goes for good; its subnet may be another's then."""

    kind = "networks.delete"
    targets = "networks"

    def prepare(self, ctx: Context) -> None:
        self.check(ctx)

    def check(self, ctx: Context) -> None:
        network = Network.get_or_none(Network.id == ctx.args["network"])
        if network is None:
            raise NotFound(f"cannot delete network {ctx.args['network']}: it is gone")
        if network.state == "creating":
            raise Conflict(f"cannot delete network {network.name}: it is still being made")
        check_unused(network.id)

    def target(self, ctx: Context) -> str:
        return str(ctx.args["network"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"network/{ctx.args['network']}")]

    def steps(self, ctx: Context) -> list[Step]:
        return [CloseNetwork(ctx.args["network"])]

    def finish(self, ctx: Context) -> None:
        Network.delete().where(Network.id == ctx.args["network"]).execute()
        issues.end(ctx.core.events, f"network/{ctx.args['network']}")


KINDS: tuple[type[Operation], ...] = (CreateNetwork, DeleteNetwork)


def check_unused(network: str) -> None:
    """Raise Conflict when a server is connected to it, naming the server."""
    user = Connection.select().where(Connection.network == network).first()
    if user is not None:
        where = " (in the trash)" if user.server.state == "trashed" else ""
        name = user.network.name
        raise Conflict(f"cannot delete network {name}: server {user.server.name}{where} is connected to it")


def _free_number() -> int:
    taken = {row.number for row in Network.select(Network.number)}
    for number in range(FIRST, LAST + 1):
        if number not in taken:
            return number
    raise NoRoom("cannot create a network: all 65,280 are taken", hint="delete networks that nobody uses")
