"""Networks and connections: rows, and making the host look like them."""

import ipaddress
import secrets as random
import threading
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from origo import log
from origo.contracts import ConnectionSpec, Desired, NetworkSpec
from origo.contracts import Network as NetworkDriver
from origo.errors import Conflict, NoRoom, NotFound, OrigoError
from origo.model import Connection, Network, Server, new_id
from origo.operations.core import Core
from origo.services import access, issues, listing, naming
from origo.services.access import Actor
from origo.services.networks import operations

_log = log.get("networks")

_applying = threading.Lock()
"""Rows are read and applied by one thread at a time, so that what is applied last is what was committed last."""


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The actor's networks; all of them for an administrator."""
    access.require(actor, "networks.list")
    rows = Network.select() if actor.admin else Network.select().where(Network.owner == actor.id)
    return listing.page(rows, Network, query, show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One network with its connections."""
    access.require(actor, "networks.list")
    network = listing.find(Network, "network", id, actor)
    rows = Connection.select(Connection, Server).join(Server).where(Connection.network == network)
    return show_row(network) | {"connections": [show_connection(row) for row in rows]}


def create(core: Core, actor: Actor, body: Any) -> Any:
    """Add a network of the actor's; its bridge is there as soon as a server is connected to it."""
    access.require(actor, "networks.manage")
    nat = core.config["guests_nat"] if body.nat is None else body.nat
    args = {"name": body.name, "nat": nat, "owner": actor.id}
    return core.operations.submit(operations.CreateNetwork(), args, by=actor.id, plan=actor.plan, key=actor.key)


def delete(core: Core, actor: Actor, id: str) -> Any:
    """Remove a network that no server is connected to."""
    access.require(actor, "networks.manage")
    network = listing.find(Network, "network", id, actor)
    args = {"network": network.id, "owner": network.owner_id}
    return core.operations.submit(operations.DeleteNetwork(), args, by=actor.id, plan=actor.plan, key=actor.key)


def show_row(network: Network) -> dict[str, Any]:
    """A network as its owner sees it."""
    return {
        "id": network.id,
        "name": network.name,
        "owner": network.owner_id,
        "bridge": network.bridge,
        "subnet": network.subnet,
        "gateway": network.gateway,
        "nat": network.nat,
        "state": network.state,
        "created": network.created,
    }


def show_connection(connection: Connection) -> dict[str, Any]:
    """A connection as its owner sees it."""
    return {
        "id": connection.id,
        "network": connection.network_id,
        "server": connection.server_id,
        "server_name": connection.server.name,
        "type": connection.type,
        "mac": connection.mac,
        "address": connection.address,
        "ports": connection.ports,
    }


def default(core: Core, owner: str) -> Network:
    """The network of a user who has not made one; called inside a transaction."""
    ready = (Network.owner == owner) & (Network.state == "ready")
    network = Network.select().where(ready).order_by(Network.created).first()
    return network or operations.add(core, owner, "default", nat=core.config["guests_nat"])


def usable(id: str) -> Network:
    """The network, if a server may be connected to it; called inside a transaction. Raises NotFound, Conflict."""
    network = Network.get_or_none(Network.id == id)
    if network is None:
        raise NotFound(f"cannot connect to network {id}: it is gone")
    if network.state != "ready":
        state = {"creating": "still being made", "leaving": "being deleted"}[network.state]
        raise Conflict(f"cannot connect to network {network.name}: it is {state}")
    return network


def reserve(server: Server, network: Network, *, position: int, ports: list[int], type: str = "internal") -> Connection:
    """A connection with every name it will have outside: MAC, address, tap; called inside a transaction."""
    id = new_id()
    return Connection.create(
        id=id,
        network=network,
        server=server,
        position=position,
        type=type,
        mac=_free_mac(),
        address=_free_address(network),
        tap="o" + id.replace("-", "")[:13],
        ports=ports,
    )


def driver(core: Core) -> NetworkDriver:
    """The network driver of this machine."""
    return core.drivers.network(core.config["network"], core.local, {"state": core.config.path("network")})


def desired(
    networks: set[str] | None = None, extra: frozenset[str] = frozenset(), up: Mapping[str, bool] | None = None
) -> Desired:
    """What is to be, from the rows: the active connections (and `extra` ones) with their networks, of these or all.

    `up` says of some whether they are up, where their server's row does not say it yet.
    """
    rows = Connection.select(Connection, Server, Network).join_from(Connection, Server).join_from(Connection, Network)
    rows = rows.where(Connection.active | Connection.id.in_(list(extra)))
    if networks is not None:
        rows = rows.where(Connection.network.in_(list(networks)))
    found = list(rows)
    return Desired(
        networks={row.network_id: _network_spec(row.network) for row in found},
        connections={row.id: _connection_spec(row, up or {}) for row in found},
    )


def apply(core: Core, connections: frozenset[str], up: Mapping[str, bool] | None = None) -> None:
    """Make the host agree with the rows for these connections and their networks, and run what must run for it.

    The cost grows with the servers of these networks alone.
    """
    with _applying:
        about = list(Network.select().join(Connection).where(Connection.id.in_(list(connections))).distinct())
        ids = {network.id for network in about}
        wanted = desired(ids, up=up)
        driver(core).apply(wanted, connections | ids)
        _run_services(core, wanted, {f"network-{network.bridge}" for network in about})


def apply_all(core: Core) -> None:
    """Make the host agree with all rows, such as after a start of the daemon.

    Where that is refused as a whole each network is tried alone, so that one in conflict with something on the host
    is an issue of its own and keeps no other from working.
    """
    with _applying:
        wanted = desired()
        try:
            driver(core).apply(wanted, None)
            refused = set()
        except OrigoError:
            refused = {id for id in wanted.networks if not _apply_one(core, wanted, id)}
        for id in wanted.networks.keys() - refused:
            issues.end(core.events, f"network/{id}")
        working = _only(wanted, wanted.networks.keys() - refused)
        running = core.supervisor.states()
        _run_services(core, working, {name for name in running if name.startswith("network-")})


def repair(core: Core) -> None:
    """Make again what somebody took from the host, such as by flushing its rules; try again what was refused before.

    Walls that are gone let guests reach each other and the host, so this is looked at all the time.
    """
    # Looked at twice: what is missing only once is just being made.
    lost = _lost(core) and _lost(core)
    if not lost:
        return
    refused = lost & set(issues.open_below("network/"))
    with _applying:
        wanted = desired()
        back = any(_apply_one(core, wanted, id) for id in sorted(refused & wanted.networks.keys()))
    if lost - refused:
        _log.warning("networks were taken from the host and are made again", networks=sorted(lost - refused))
        core.events.emit("networks.repaired", "networks", "", networks=sorted(lost - refused))
    if back or lost - refused:
        apply_all(core)


def _lost(core: Core) -> set[str]:
    """The networks that are to be and are not there, or not with all their connections."""
    with _applying:
        wanted, there = desired(), driver(core).current()
    broken = {one.network for id, one in wanted.connections.items() if id not in there}
    return {id for id in wanted.networks if id not in there} | broken


def _apply_one(core: Core, wanted: Desired, id: str) -> bool:
    """Make the host agree with one network and its connections; where it refuses there is an issue."""
    alone = _only(wanted, {id})
    try:
        driver(core).apply(alone, frozenset({id, *alone.connections}))
    except OrigoError as error:
        network = Network.get_by_id(id)
        about = {"noun": "networks", "target": id, "owner": network.owner_id, "severity": "error"}
        said = f"cannot bring up network {network.name}: {error.message}"
        issues.raise_(core.events, f"network/{id}", said, remedy=error.hint, **about)
        return False
    return True


def _only(wanted: Desired, networks: AbstractSet[str]) -> Desired:
    """Of what is to be, these networks and their connections."""
    return Desired(
        networks={id: one for id, one in wanted.networks.items() if id in networks},
        connections={id: one for id, one in wanted.connections.items() if one.network in networks},
    )


def _run_services(core: Core, wanted: Desired, known: set[str]) -> None:
    services = driver(core).services(wanted)
    for service in services:
        core.supervisor.ensure(service)
    for name in known - {service.name for service in services}:
        core.supervisor.remove(name)


def _connection_spec(row: Connection, up: Mapping[str, bool]) -> ConnectionSpec:
    return ConnectionSpec(
        id=row.id,
        network=row.network_id,
        type=row.type,
        mac=row.mac,
        address=row.address,
        tap=row.tap,
        hostname=naming.host_name(row.server.name),
        up=up.get(row.id, row.server.desired != "stopped"),
        ports=tuple(row.ports),
        options=row.options,
    )


def _network_spec(row: Network) -> NetworkSpec:
    return NetworkSpec(
        id=row.id, bridge=row.bridge, subnet=row.subnet, gateway=row.gateway, owner=row.owner_id, nat=row.nat
    )


def _free_mac() -> str:
    while True:
        mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in random.token_bytes(3))
        if not Connection.select().where(Connection.mac == mac).exists():
            return mac


def _free_address(network: Network) -> str:
    taken = {row.address for row in Connection.select(Connection.address).where(Connection.network == network)}
    for address in list(ipaddress.ip_network(network.subnet).hosts())[9:]:
        if str(address) not in taken:
            return str(address)
    raise NoRoom(f"cannot connect to network {network.name}: all its addresses are taken", hint="use another network")
