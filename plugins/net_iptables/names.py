"""What everything of ours is called on a host, by which it is told from others', and what may stand in a command."""

import hashlib
import ipaddress
import re

from origo.contracts import ConnectionSpec, NetworkSpec
from origo.errors import BadInput

ALIAS = "origo:"
"""A bridge is ours by its alias, `origo:<network's id>`…"""
MAC = "02:6f:72:"
"""…or, if it was left half made before it had one, by its hardware address."""
CHAIN = "ORIGO-"
TABLE = "origo"

_LINK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,14}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def bridge_mac(network_id: str) -> str:
    """The bridge's own hardware address: the same each time it is made, so that guests keep their gateway."""
    digest = hashlib.sha256(network_id.encode()).hexdigest()
    return MAC + ":".join(digest[place : place + 2] for place in (0, 2, 4))


def check_network(network: NetworkSpec) -> None:
    """Refuse what would not be one word, or the wrong one, in a command's text."""
    _demand(_ID, network.id, "the network's id")
    _demand(_LINK, network.bridge, "the bridge's name")
    try:
        inside = ipaddress.IPv4Address(network.gateway) in ipaddress.IPv4Network(network.subnet)
    except ValueError as error:
        raise BadInput(f"cannot make the network {network.id}: {error}") from error
    if not inside:
        raise BadInput(
            f"cannot make the network {network.id}: its gateway {network.gateway} is outside {network.subnet}"
        )


def check_connection(connection: ConnectionSpec, network: NetworkSpec | None) -> None:
    """Refuse a connection to no network, with an address outside of it, or with what is no single word."""
    _demand(_ID, connection.id, "the connection's id")
    _demand(_LINK, connection.tap, "the tap's name")
    _demand(_MAC, connection.mac, "the hardware address")
    _demand(_HOSTNAME, connection.hostname, "the host name")
    if network is None:
        raise BadInput(f"cannot connect {connection.hostname}: there is no network {connection.network}")
    if connection.type != "internal":
        raise BadInput(f"cannot connect {connection.hostname}: net_iptables has no type {connection.type!r}")
    subnet = ipaddress.IPv4Network(network.subnet)
    try:
        address = ipaddress.IPv4Address(connection.address)
    except ValueError as error:
        raise BadInput(f"cannot connect {connection.hostname}: {error}") from error
    taken = {subnet.network_address, subnet.broadcast_address, ipaddress.IPv4Address(network.gateway)}
    if address not in subnet or address in taken:
        raise BadInput(f"cannot connect {connection.hostname}: {address} is no address for servers of {subnet}")


def _demand(pattern: re.Pattern[str], value: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise BadInput(f"cannot use {value!r} as {what}")
