"""Connecting servers: a network driver makes the host look as desired."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from origo.contracts.driver import Driver
from origo.contracts.service import ServiceSpec


@dataclass(frozen=True)
class NetworkSpec:
    """A network: a bridge with a gateway address and a range for its servers; `owner` is the user's id.

    `subnet` is like 10.1.0.0/24, `gateway` an address in it. With `nat` guests reach the world outside.
    Networks do not reach each other; the host reaches all of them.
    """

    id: str
    bridge: str
    subnet: str
    gateway: str
    owner: str
    nat: bool = True


@dataclass(frozen=True)
class ConnectionSpec:
    """A server's card on a network: `type` names how it is presented, `tap` its device on the host.

    `up` while its server is to run: only then is it served an address. `hostname` is what DHCP and DNS call it.
    """

    id: str
    network: str
    type: str
    mac: str
    address: str
    tap: str
    hostname: str
    up: bool = True
    ports: tuple[int, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectionType:
    """A way to connect that a driver offers; `options` is a JSON schema of what it can be told."""

    name: str
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Desired:
    """All that there is to be, by id."""

    networks: Mapping[str, NetworkSpec] = field(default_factory=dict)
    connections: Mapping[str, ConnectionSpec] = field(default_factory=dict)


class Network(Driver):
    """Makes bridges, addresses, rules and leases as desired; links, chains and files of others stay untouched."""

    @abstractmethod
    def types(self) -> tuple[ConnectionType, ...]:
        """The types of connection it offers."""

    @abstractmethod
    def render(self, desired: Desired) -> str:
        """The commands, rules and files that make the host look like that, without applying them."""

    @abstractmethod
    def apply(self, desired: Desired, changed: frozenset[str] | None) -> None:
        """Make the host look as desired: only for the ids of networks and connections in `changed` (those no longer
        desired are removed), or with None for all, removing what we made and nobody desires. All or nothing.

        With `changed`, `desired` need not hold more than the networks and connections named there.
        """

    @abstractmethod
    def current(self) -> frozenset[str]:
        """The ids of the networks and connections that are there now, as the host itself tells."""

    @abstractmethod
    def services(self, desired: Desired) -> tuple[ServiceSpec, ...]:
        """The programs that must run for it, such as a DHCP server for each network that has a connection up.

        Each is one network's, and its name is `network-` with the bridge's name after it.
        """
