"""The nft bridge table that lets a guest speak only as itself: its own hardware address, IPv4 address, ARP."""

from collections.abc import Iterable, Mapping

from origo_plugins.net_iptables.names import TABLE
from origo_plugins.net_iptables.parse import Guarded

from origo.contracts import ConnectionSpec

NOBODY = "0.0.0.0"  # noqa: S104
"""The address from which a guest asks for one, and probes whether it is free."""

CHAINS = f"""\
add table bridge {TABLE}
delete table bridge {TABLE}
table bridge {TABLE} {{
  set taps {{ type ifname; }}
  map connections {{ type ifname : ether_addr . ipv4_addr; }}
  set sources {{ type ifname . ether_addr . ipv4_addr; }}
  chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
    iifname @taps goto guest
  }}
  chain guest {{
    ether type arp goto claims
    ether type != ip drop
    iifname . ether saddr . ip saddr != @sources drop
    ip saddr {NOBODY} udp sport 68 udp dport 67 accept
    ip saddr {NOBODY} drop
    udp sport 67 drop
  }}
  chain claims {{
    arp htype 1 arp ptype ip arp hlen 6 arp plen 4 \
iifname . ether saddr . arp saddr ip @sources iifname . arp saddr ether . arp saddr ip @sources accept
    drop
  }}
}}
"""
"""The table, made anew. Whatever is neither IPv4 nor ARP from a guest ends here: IPv6 and VLAN tags too."""

LIST = ("nft", "-j", "list", "map", "bridge", TABLE, "connections")


def elements(connections: Iterable[ConnectionSpec]) -> str:
    """Text that guards these; elements that are there already stay, one tap with another address is refused by nft."""
    return _text("add", [_guarded(one) for one in connections])


def delta(connections: Iterable[ConnectionSpec], gone: Iterable[str], seen: Mapping[str, Guarded]) -> str:
    """Text that guards `connections` as they are to be and the ids in `gone` no longer, given what is there."""
    connections = list(connections)
    wanted = {one.id: _guarded(one) for one in connections}
    return _text("delete", outdated(connections, gone, seen)) + _text(
        "add", [one for one in wanted.values() if seen.get(one.id) != one]
    )


def outdated(connections: Iterable[ConnectionSpec], gone: Iterable[str], seen: Mapping[str, Guarded]) -> list[Guarded]:
    """What is there of these, but is to be otherwise or not at all."""
    wanted = {one.id: _guarded(one) for one in connections}
    return [seen[id] for id in (*wanted, *gone) if id in seen and seen[id] != wanted.get(id)]


def _guarded(connection: ConnectionSpec) -> Guarded:
    return Guarded(connection.id, connection.tap, connection.mac, connection.address)


def _text(verb: str, guards: list[Guarded]) -> str:
    if not guards:
        return ""
    comment = verb == "add"
    taps = [f'"{one.tap}"' for one in guards]
    known = [
        f'"{one.tap}"' + (f' comment "{one.id}"' if comment else "") + f" : {one.mac} . {one.address}" for one in guards
    ]
    sources = [f'"{one.tap}" . {one.mac} . {address}' for one in guards for address in (one.address, NOBODY)]
    named = (("taps", taps), ("connections", known), ("sources", sources))
    return "".join(f"{verb} element bridge {TABLE} {name} {{ {', '.join(items)} }}\n" for name, items in named)
