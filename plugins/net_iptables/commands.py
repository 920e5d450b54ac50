"""Bridges as text for one `ip -batch`, and what the kernel is told about them as arguments of one `sysctl`."""

from collections.abc import Iterable, Mapping

from origo_plugins.net_iptables.names import ALIAS, bridge_mac
from origo_plugins.net_iptables.parse import Bridge

from origo.contracts import NetworkSpec

READ_BRIDGES = ("ip", "-j", "-d", "address", "show", "type", "bridge")
READ_LINKS = ("ip", "-j", "link", "show")
READ_RULES = ("iptables-save",)
BATCH = ("ip", "-batch", "-")
RESTORE = ("iptables-restore", "--noflush", "--wait", "10")
NFT = ("nft", "-f", "-")


def gateway(network: NetworkSpec) -> str:
    """The bridge's address with the length of the network's prefix."""
    return f"{network.gateway}/{network.subnet.partition('/')[2]}"


def prepare_text(networks: Iterable[NetworkSpec], gone: Iterable[str], seen: Mapping[str, Bridge], mtu: str) -> str:
    """Text to be applied before the rules: new bridges are there, but down, and those named in `gone` are down.

    So each is known by its alias from the first moment to the last, and never carries a frame without its rules.
    """
    made_anew = {network.bridge for network in networks}
    lines = [
        f"link {'delete' if name in made_anew else 'set'} dev {name}{'' if name in made_anew else ' down'}"
        for name in gone
    ]
    for network in networks:
        name = network.bridge
        if name not in seen or name in gone:
            lines.append(
                f"link add name {name} address {bridge_mac(network.id)} mtu {mtu} "
                "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
            )
            lines.append(f"link set dev {name} alias {ALIAS}{network.id}")
    return _text(lines)


def finish_text(networks: Iterable[NetworkSpec], gone: Iterable[str], seen: Mapping[str, Bridge], mtu: str) -> str:
    """Text to be applied after the rules: the gateways' addresses, bridges up, and those in `gone` deleted."""
    made_anew = {network.bridge for network in networks}
    lines = [f"link delete dev {name}" for name in gone if name not in made_anew]
    for network in networks:
        name, wanted = network.bridge, gateway(network)
        there = seen.get(name) if name not in gone else None
        if there and str(there.mtu) != mtu:
            lines.append(f"link set dev {name} mtu {mtu}")
        lines += [f"address delete {one} dev {name}" for one in (there.addresses if there else ()) if one != wanted]
        if not there or wanted not in there.addresses:
            lines.append(f"address replace {wanted} brd + dev {name}")
        if not there or not there.up:
            lines.append(f"link set dev {name} up")
    return _text(lines)


def port_text(moved: Iterable[tuple[str, str]]) -> str:
    """Text that puts each tap on its bridge, or takes it off where that is empty."""
    return "".join(
        f"link set dev {tap} " + (f"master {bridge} up\n" if bridge else "nomaster\n") for tap, bridge in moved
    )


def release(bridge: str, address: str, mac: str) -> tuple[str, ...]:
    """The command that gives a lease back, so that the next server may have that address at once."""
    return ("dhcp_release", bridge, address, mac)


def end_noted(path: str) -> tuple[str, ...]:
    """The command that ends the dnsmasq whose number is in that file, and no other program that may have it by now."""
    return ("pkill", "-F", path, "-x", "dnsmasq")


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


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
