"""The iptables chains of networks as text for one `iptables-restore --noflush`: only ours, and only the changed ones.

FORWARD ─ ORIGO-FORWARD ┬ ORIGO-TO ──── ORIGO-TO-<group> ──── ORIGO-T-<bridge>   who may reach its guests
                        └ ORIGO-FROM ── ORIGO-FROM-<group> ── ORIGO-F-<bridge>   where its guests may go
INPUT ───────────────────  ORIGO-INPUT ─ ORIGO-INPUT-<group> ─ ORIGO-I-<bridge>   what of the host its guests reach
POSTROUTING (nat) ─ ORIGO-NAT   one MASQUERADE for each network with outgoing NAT

A group is all bridges whose names differ in the last letter only, so that a packet meets tens of lines, not hundreds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from origo_plugins.net_iptables.names import CHAIN
from origo_plugins.net_iptables.parse import Rules

from origo.contracts import NetworkSpec

TRUNK = {
    "filter": {"FORWARD": "ORIGO-FORWARD", "INPUT": "ORIGO-INPUT"},
    "nat": {"POSTROUTING": "ORIGO-NAT"},
}
"""The built-in chains that lead to ours, by table: one jump each."""
FIXED = {"ORIGO-FORWARD": ("-A ORIGO-FORWARD -j ORIGO-TO", "-A ORIGO-FORWARD -j ORIGO-FROM")}
LINK_LOCAL = "169.254.0.0/16"
"""Never routed, and no guest's to ask: on a rented machine its provider answers there, with the machine's own keys."""
REFUSE = "-j REJECT --reject-with icmp-admin-prohibited"
SHARED = {
    "filter": ("ORIGO-FORWARD", "ORIGO-TO", "ORIGO-FROM", "ORIGO-INPUT"),
    "nat": ("ORIGO-NAT",),
}
"""Chains that are there as soon as one network was; they are never flushed while only some networks change."""


@dataclass(frozen=True)
class Branch:
    """What one network adds: a line in each list, and the rules of its own chains."""

    lines: dict[str, str]
    chains: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class LineList:
    """A chain with a line for each bridge of a group: what changes it, and whether it is empty then."""

    chain: str
    text: tuple[str, ...]
    empty: bool


def own_chains(bridge: str) -> tuple[str, str, str]:
    """The names of the chains that belong to that bridge alone."""
    return f"{CHAIN}T-{bridge}", f"{CHAIN}F-{bridge}", f"{CHAIN}I-{bridge}"


def _filter_lines(bridge: str) -> dict[str, str]:
    """The bridge's line in each list: bridges whose names differ in the last letter only share one."""
    to, out, host = own_chains(bridge)
    group = bridge[:-1]
    return {
        f"ORIGO-TO-{group}": f"-A ORIGO-TO-{group} -o {bridge} -j {to}",
        f"ORIGO-FROM-{group}": f"-A ORIGO-FROM-{group} -i {bridge} -j {out}",
        f"ORIGO-INPUT-{group}": f"-A ORIGO-INPUT-{group} -i {bridge} -j {host}",
    }


def _group_jump(chain: str) -> tuple[str, str]:
    """The shared chain that leads to a list of bridges, and the line there."""
    shared, _, group = chain.removeprefix(CHAIN).partition("-")
    device = "-o" if shared == "TO" else "-i"
    return CHAIN + shared, f"-A {CHAIN}{shared} {device} {group}+ -j {chain}"


def branch(network: NetworkSpec) -> Branch:
    """A network's rules. Order matters: nothing reaches guests, from other guests either, but what ORIGO-TO lets in."""
    bridge, gateway, subnet = network.bridge, f"{network.gateway}/32", network.subnet
    to, out, host = own_chains(bridge)
    lines = _filter_lines(bridge)
    if network.nat:
        lines["ORIGO-NAT"] = f"-A ORIGO-NAT -s {subnet} ! -o {bridge} -j MASQUERADE"
    chains = {
        # Guests of one network meet only where br_netfilter is on, and must not meet a stranger's DROP there.
        to: (
            f"-A {to} -i {bridge} -j ACCEPT",
            f"-A {to} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A {to} -j DROP",
        ),
        out: (
            *((f"-A {out} -d {LINK_LOCAL} {REFUSE}", f"-A {out} -s {subnet} -j ACCEPT") if network.nat else ()),
            f"-A {out} {REFUSE}",
        ),
        host: (
            f"-A {host} -p udp -m udp --sport 68 --dport 67 -j ACCEPT",
            f"-A {host} -d {gateway} -p udp -m udp --dport 53 -j ACCEPT",
            f"-A {host} -d {gateway} -p tcp -m tcp --dport 53 -j ACCEPT",
            f"-A {host} -d {gateway} -p icmp -m icmp --icmp-type 8 -j ACCEPT",
            f"-A {host} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A {host} -j DROP",
        ),
    }
    return Branch(lines, chains)


def restore_text(networks: Sequence[NetworkSpec], gone: Iterable[str], seen: Rules, *, everything: bool = False) -> str:
    """Text that makes the chains of `networks` as they are to be and removes those of the bridges in `gone`.

    `seen` is what the host has now. With `everything` the shared chains are made anew, with these networks alone, and
    chains of ours that belong to no network are removed.
    """
    tables = (_table(name, networks, tuple(gone), seen, everything) for name in TRUNK)
    return "".join(tables)


def _table(name: str, networks: Sequence[NetworkSpec], gone: tuple[str, ...], seen: Rules, everything: bool) -> str:
    branches = [branch(network) for network in networks]
    present = {} if everything else seen.chains(name)
    fresh = [chain for chain in SHARED[name] if chain not in present]
    own = {chain: rules for one in branches for chain, rules in one.chains.items()} if name == "filter" else {}
    changed = {chain: rules for chain, rules in own.items() if present.get(chain) != rules}
    lists = _lists(name, branches, {network.bridge for network in networks} | set(gone), present)
    body = [rule for chain in fresh for rule in FIXED.get(chain, ())]
    body += [rule for rules in changed.values() for rule in rules]
    body += [rule for one in lists for rule in one.text]
    body += _trunk(name, seen)
    stale = {chain for bridge in gone for chain in own_chains(bridge)} | {one.chain for one in lists if one.empty}
    if everything:
        stale = {chain for chain in seen.chains(name) if chain.startswith(CHAIN)}
    kept = {*SHARED[name], *own, *(one.chain for one in lists if not one.empty)}
    ended = sorted((stale & set(seen.chains(name))) - kept)
    body += [f"-F {chain}" for chain in ended] + [f"-X {chain}" for chain in ended]
    begun = [one.chain for one in lists if not one.empty and one.chain not in {*present, *fresh}]
    declared = [f":{chain} - [0:0]" for chain in (*fresh, *begun, *changed)]
    if not body and not declared:
        return ""
    return "\n".join((f"*{name}", *declared, *body, "COMMIT")) + "\n"


def _lists(
    name: str, branches: Sequence[Branch], bridges: set[str], present: Mapping[str, tuple[str, ...]]
) -> list[LineList]:
    """The chains with lines of these bridges, and what has to be done to each; its rules of other bridges stay."""
    wanted: dict[str, list[str]] = {"ORIGO-NAT": []} if name == "nat" else {}
    if name == "filter":
        wanted = {chain: [] for bridge in sorted(bridges) for chain in _filter_lines(bridge)}
    for one in branches:
        for chain, line in one.lines.items():
            if chain in wanted:
                wanted[chain].append(line)
    lists = []
    for chain, lines in wanted.items():
        there = present.get(chain, ())
        mine = [rule for rule in there if bridges & set(rule.split())]
        text = [_without(rule) for rule in mine if rule not in lines] + [rule for rule in lines if rule not in there]
        empty = name == "filter" and len(there) == len(mine) and not lines
        shared, jump = _group_jump(chain) if name == "filter" else ("", "")
        if jump and (jump in present.get(shared, ())) == empty:
            text.append(_without(jump) if empty else jump)
        lists.append(LineList(chain, tuple(text), empty))
    return lists


def _without(rule: str) -> str:
    return rule.replace("-A ", "-D ", 1)


def _trunk(name: str, seen: Rules) -> list[str]:
    """One jump from each built-in chain, first in it; more than one come from an interrupted repair."""
    text = []
    for built_in, chain in TRUNK[name].items():
        jump = f"{built_in} -j {chain}"
        count = seen.rules(name, built_in).count(f"-A {jump}")
        text += [f"-D {jump}"] * (count - 1)
        if count == 0:
            text.append(f"-I {built_in} 1 -j {chain}")
    return text


def complete(bridge: str, seen: Rules) -> bool:
    """Whether the host leads to and has all chains of that bridge."""
    lines = [(name, top, f"-A {top} -j {chain}") for name, jumps in TRUNK.items() for top, chain in jumps.items()]
    lines += [("filter", chain, line) for chain, line in _filter_lines(bridge).items()]
    lines += [("filter", *_group_jump(chain)) for chain in _filter_lines(bridge)]
    led = all(line in seen.rules(name, chain) for name, chain, line in lines)
    return led and set(own_chains(bridge)) <= set(seen.chains("filter"))
