"""A network driver whose bridges and connections are files, so that its world survives a kill and can be looked at."""

import contextlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from origo.contracts import (
    ConnectionSpec,
    ConnectionType,
    Desired,
    Facts,
    Lack,
    Network,
    NetworkSpec,
    ServiceSpec,
)
from origo.errors import BadInput, Conflict, Unavailable
from origo.host import Host

TYPES = (ConnectionType("internal", "Internal", {"type": "object", "properties": {}, "additionalProperties": False}),)


class FakeNetwork(Network):
    """Options: `world`, its folder (by default what `state` says); `services` (yes or no, by default no), whether it
    needs a program for each network.

    `<world>/networks/<id>` and `<world>/connections/<id>` are what there is. A file `<world>/fail/<method>` makes that
    method raise Unavailable with the file's text; a file `<world>/strangers/<bridge>` is a link that is not ours;
    each line of `<world>/lacks` is something that the host lacks.
    """

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        self.world = Path(options.get("world") or options["state"])

    def check(self) -> list[Lack]:
        """What a test says it lacks."""
        self._fail("check")
        path = self.world / "lacks"
        return [Lack(line, "remove the file") for line in path.read_text().splitlines()] if path.exists() else []

    def info(self) -> Facts:
        """Its title."""
        self._fail("info")
        return Facts("Files instead of a network")

    def types(self) -> tuple[ConnectionType, ...]:
        """Internal connections."""
        return TYPES

    def render(self, desired: Desired) -> str:
        """Every file with its content."""
        return "".join(f"{path}: {text}\n" for path, text in sorted(self._files(desired).items()))

    def apply(self, desired: Desired, changed: frozenset[str] | None) -> None:
        """Checks everything first, so that it is all or nothing; then writes one file after the other."""
        self._fail("apply")
        ids = {*desired.networks, *desired.connections, *self.current()} if changed is None else changed
        for id in ids:
            self._check(desired, id)
        for folder, things in (("networks", desired.networks), ("connections", desired.connections)):
            for id in sorted(ids):
                if id in things:
                    self._write(self.world / folder / id, _text(things[id]))
                else:
                    (self.world / folder / id).unlink(missing_ok=True)
                    _new(self.world / folder / id).unlink(missing_ok=True)

    def current(self) -> frozenset[str]:
        """The names of the files."""
        self._fail("current")
        found = [*self.world.glob("networks/*"), *self.world.glob("connections/*")]
        return frozenset(path.name for path in found if not path.name.startswith("."))

    def services(self, desired: Desired) -> tuple[ServiceSpec, ...]:
        """A program that does nothing, for each network with a connection up, if the option says so."""
        self._fail("services")
        if self.options.get("services") != "yes":
            return ()
        specs = []
        for id, network in sorted(desired.networks.items()):
            up = [one for one in desired.connections.values() if one.network == id and one.up]
            lines = "".join(sorted(f"{one.mac} {one.address} {one.hostname}\n" for one in up))
            files = {str(self.world / "served" / network.bridge): lines}
            if up:
                specs.append(ServiceSpec(f"network-{network.bridge}", ("sleep", "infinity"), files=files))
        return tuple(specs)

    def _files(self, desired: Desired) -> dict[str, str]:
        networks = {f"networks/{id}": _text(one) for id, one in desired.networks.items()}
        return networks | {f"connections/{id}": _text(one) for id, one in desired.connections.items()}

    def _check(self, desired: Desired, id: str) -> None:
        network, connection = desired.networks.get(id), desired.connections.get(id)
        if network:
            _check_network(network)
            if (self.world / "strangers" / network.bridge).exists():
                raise Conflict(f"cannot make the bridge {network.bridge}: there is a link of that name")
        if connection:
            _check_connection(connection, desired.networks.get(connection.network))

    def _write(self, path: Path, text: str) -> None:
        """Atomically, and with a name for the new file that a second try finds again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _new(path).write_text(text)
        _new(path).replace(path)

    def _fail(self, method: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            raise Unavailable((self.world / "fail" / method).read_text().strip() or f"cannot {method}: told to fail")


def _new(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _text(thing: NetworkSpec | ConnectionSpec) -> str:
    return json.dumps(asdict(thing), sort_keys=True)


def _check_network(network: NetworkSpec) -> None:
    try:
        inside = ipaddress.IPv4Address(network.gateway) in ipaddress.IPv4Network(network.subnet)
    except ValueError as error:
        raise BadInput(f"cannot make the network {network.id}: {error}") from error
    if not inside or not network.bridge.isalnum():
        raise BadInput(f"cannot make the network {network.id} with bridge {network.bridge} at {network.gateway}")


def _check_connection(connection: ConnectionSpec, network: NetworkSpec | None) -> None:
    if network is None:
        raise BadInput(f"cannot connect {connection.hostname}: there is no network {connection.network}")
    if connection.type not in {one.name for one in TYPES}:
        raise BadInput(f"cannot connect {connection.hostname}: there is no type {connection.type!r}")
    subnet = ipaddress.IPv4Network(network.subnet)
    taken = {str(subnet.network_address), str(subnet.broadcast_address), network.gateway}
    if connection.address in taken or ipaddress.IPv4Address(connection.address) not in subnet:
        raise BadInput(f"cannot connect {connection.hostname}: {connection.address} is no address for servers there")
    if not connection.tap.isalnum():
        raise BadInput(f"cannot connect {connection.hostname}: {connection.tap!r} is no name of a tap")
