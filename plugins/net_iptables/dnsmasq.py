"""One dnsmasq for each network with a connection up: fixed addresses by hardware address, and names for them."""

import ipaddress
from collections.abc import Iterable

from origo.contracts import ConnectionSpec, Desired, NetworkSpec, ServiceSpec

DOMAIN = "internal"
LEASE = "12h"


def services(desired: Desired, folder: str, mtu: str, resolver: str) -> tuple[ServiceSpec, ...]:
    """The services of all networks; servers that come and go change files only, which dnsmasq reads again when told."""
    up: dict[str, list[ConnectionSpec]] = {}
    for one in desired.connections.values():
        if one.up and one.network in desired.networks:
            up.setdefault(one.network, []).append(one)
    return tuple(
        _service(desired.networks[id], up[id], f"{folder}/{desired.networks[id].bridge}", mtu, resolver) for id in up
    )


def _service(network: NetworkSpec, up: list[ConnectionSpec], folder: str, mtu: str, resolver: str) -> ServiceSpec:
    argv = (*_program(network, folder), *_addresses(network, folder, mtu), *_names(network, folder, resolver))
    files = {f"{folder}/addresses": address_lines(up), f"{folder}/names": name_lines(up)}
    return ServiceSpec(f"network-{network.bridge}", argv, files=files, ready=f"{folder}/pid")


def _program(network: NetworkSpec, folder: str) -> Iterable[str]:
    """It listens on the bridge alone, in the foreground, as its own user, and reads nobody's settings."""
    return (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        f"--pid-file={folder}/pid",
        f"--interface={network.bridge}",
        "--except-interface=lo",
        "--bind-dynamic",
    )


def _addresses(network: NetworkSpec, folder: str, mtu: str) -> Iterable[str]:
    """Only known hardware addresses are served, each its own address, so leases need not be kept over a restart.

    A network without NAT leads nowhere, so it has no router.
    """
    first, _, _ = network.subnet.partition("/")
    return (
        f"--dhcp-range={first},static,{_netmask(network.subnet)},{LEASE}",
        "--dhcp-authoritative",
        "--dhcp-ignore-names",
        f"--dhcp-hostsfile={folder}/addresses",
        "--leasefile-ro",
        f"--dhcp-option=option:mtu,{mtu}",
        f"--dhcp-option=option:router{',' + network.gateway if network.nat else ''}",
    )


def _names(network: NetworkSpec, folder: str, resolver: str) -> Iterable[str]:
    """Names of servers are answered here; others are asked for outside only where guests may go outside."""
    outside = (f"--resolv-file={resolver}",) if network.nat else ("--no-resolv",)
    own = ("--no-hosts", f"--addn-hosts={folder}/names", f"--domain={DOMAIN}", f"--local=/{DOMAIN}/")
    return (*own, "--domain-needed", "--bogus-priv", *outside)


def address_lines(connections: Iterable[ConnectionSpec]) -> str:
    """What the DHCP server reads: a line for each server, in an order that does not depend on anything."""
    return "".join(f"{one.mac},{one.address},{one.hostname}\n" for one in _ordered(connections))


def name_lines(connections: Iterable[ConnectionSpec]) -> str:
    """What the name server reads."""
    return "".join(f"{one.address} {one.hostname}.{DOMAIN} {one.hostname}\n" for one in _ordered(connections))


def _ordered(connections: Iterable[ConnectionSpec]) -> list[ConnectionSpec]:
    return sorted(connections, key=lambda one: one.id)


def _netmask(subnet: str) -> str:
    return str(ipaddress.IPv4Network(subnet).netmask)
