"""What the host says it has: answers of ip, iptables-save and nft as plain data."""

import ipaddress
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from origo_plugins.net_iptables.names import ALIAS, MAC, bridge_mac


@dataclass(frozen=True)
class Bridge:
    """A bridge on the host; `id` is the network's, empty for one that was left half made, None for a stranger's."""

    name: str
    id: str | None
    mac: str
    mtu: int
    up: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Guarded:
    """A connection whose tap is guarded: what its guest may call itself."""

    id: str
    tap: str
    mac: str
    address: str


@dataclass(frozen=True)
class Rules:
    """The rules of all tables as iptables-save shows them: table, then chain, then its lines in order."""

    tables: Mapping[str, Mapping[str, tuple[str, ...]]]

    def chains(self, table: str) -> Mapping[str, tuple[str, ...]]:
        """The chains of a table."""
        return self.tables.get(table, {})

    def rules(self, table: str, chain: str) -> tuple[str, ...]:
        """The lines of a chain, none when it is absent."""
        return self.chains(table).get(chain, ())


def bridges(text: str) -> dict[str, Bridge]:
    """All bridges by name, from `ip -j -d address show type bridge`."""
    return {facts["ifname"]: _bridge(facts) for facts in json.loads(text or "[]") if "ifname" in facts}


def made_for(bridge: Bridge, ids: Collection[str]) -> bool:
    """Whether it is the bridge of one of these networks, half made or whole."""
    return bridge.id in ids if bridge.id else bridge.id == "" and bridge.mac in {bridge_mac(id) for id in ids}


def masters(text: str) -> dict[str, str]:
    """Every link's bridge, empty if it is on none, from `ip -j link show`."""
    return {facts["ifname"]: facts.get("master", "") for facts in json.loads(text or "[]") if "ifname" in facts}


def routes(text: str) -> list[tuple[ipaddress.IPv4Network, str]]:
    """Where the host's routes lead, but for the default one: target and link, from /proc/net/route."""
    found = []
    for line in text.splitlines()[1:]:
        link, target, _, _, _, _, _, mask, *_ = line.split()
        # The kernel shows addresses as numbers in the byte order of most machines, which is not the network's.
        address, length = (int.from_bytes(bytes.fromhex(word), "little") for word in (target, mask))
        found.append((ipaddress.IPv4Network((address, length.bit_count())), link))
    return [(target, link) for target, link in found if target.prefixlen]


def _bridge(facts: Mapping[str, Any]) -> Bridge:
    alias, mac = facts.get("ifalias", ""), facts.get("address", "")
    owner = alias.removeprefix(ALIAS) if alias.startswith(ALIAS) else "" if not alias and mac.startswith(MAC) else None
    addresses = tuple(f"{one['local']}/{one['prefixlen']}" for one in facts.get("addr_info", ()) if one.get("local"))
    return Bridge(facts["ifname"], owner, mac, facts.get("mtu", 0), "UP" in facts.get("flags", ()), addresses)


def rules(text: str) -> Rules:
    """The output of `iptables-save`."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:].strip(), {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            chains.setdefault(line.split()[1], []).append(line.strip())
    return Rules({name: {chain: tuple(lines) for chain, lines in one.items()} for name, one in tables.items()})


def guarded(text: str) -> dict[str, Guarded]:
    """All guarded connections by id, from `nft -j list map bridge origo connections`."""
    found = {}
    for entry in json.loads(text or "{}").get("nftables", ()):
        for key, value in entry.get("map", {}).get("elem", ()):
            one = Guarded(key["elem"]["comment"], key["elem"]["val"], *value["concat"])
            found[one.id] = one
    return found
