"""Bridges as text for one `ip -batch`, and what the kernel is told about them as arguments of one `sysctl`."""

from collections.abc import Iterable

from origo_plugins.net_iptables.names import ALIAS, bridge_mac
from origo_plugins.net_iptables.parse import Bridge

from origo.contracts import NetworkSpec

READ_BRIDGES = ("ip", "-j", "-d", "address", "show", "type", "bridge")
READ_LINKS = ("ip", "-j", "link", "show")
READ_RULES = ("iptables-save",)
READ_ROUTES = ("ip", "-j", "-4", "route", "show")
BATCH = ("ip", "-batch", "-")
RESTORE = ("iptables-restore", "--noflush", "--wait", "10")
NFT = ("nft", "-f", "-")


def gateway(network: NetworkSpec) -> str:
    """The bridge's address with the length of the network's prefix."""
    return f"{network.gateway}/{network.subnet.partition('/')[2]}"


def batch_text(networks: Iterable[NetworkSpec], gone: Iterable[str], seen: dict[str, Bridge], mtu: str) -> str:
    """Text that makes these bridges and removes the ones named in `gone`; `seen` are the bridges there are, by name."""
    lines = [f"link delete dev {name}" for name in gone]
    for network in networks:
        lines += _bridge(network, seen.get(network.bridge), mtu)
    return "".join(f"{line}\n" for line in lines)


def _bridge(network: NetworkSpec, seen: Bridge | None, mtu: str) -> list[str]:
    name, wanted = network.bridge, gateway(network)
    lines = []
    if seen is None:
        lines.append(
            f"link add name {name} address {bridge_mac(network.id)} mtu {mtu} "
            "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        )
        lines.append(f"link set dev {name} alias {ALIAS}{network.id}")
    else:
        lines.append(f"link set dev {name} mtu {mtu}")
    lines += [
        f"address delete {address} dev {name}" for address in (seen.addresses if seen else ()) if address != wanted
    ]
    if seen is None or wanted not in seen.addresses:
        lines.append(f"address replace {wanted} brd + dev {name}")
    if seen is None or not seen.up:
        lines.append(f"link set dev {name} up")
    return lines


def port_text(moved: Iterable[tuple[str, str]]) -> str:
    """Text that puts each tap on its bridge, or takes it off where that is empty."""
    return "".join(
        f"link set dev {tap} " + (f"master {bridge} up\n" if bridge else "nomaster\n") for tap, bridge in moved
    )


def release(bridge: str, address: str, mac: str) -> tuple[str, ...]:
    """The command that gives a lease back, so that the next server may have that address at once."""
    return ("dhcp_release", bridge, address, mac)


def kernel_settings(networks: Iterable[NetworkSpec]) -> tuple[str, ...]:
    """The `sysctl` command for these networks, or nothing.

    A bridge answers for its own address alone, takes no address of its own in IPv6 and none that comes from elsewhere.
    Forwarding is a property of the whole machine: it is switched on with the first network that has outgoing NAT.
    """
    settings = []
    for network in networks:
        four, six = f"net/ipv4/conf/{network.bridge}", f"net/ipv6/conf/{network.bridge}"
        settings += [f"{four}/arp_ignore=1", f"{four}/rp_filter=1", f"{four}/send_redirects=0", f"{six}/disable_ipv6=1"]
    if any(network.nat for network in networks):
        settings.append("net/ipv4/ip_forward=1")
    return ("sysctl", "-q", "-e", "-w", *settings) if settings else ()
