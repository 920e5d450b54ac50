"""The iptables chains of networks as text for one `iptables-restore --noflush`: only ours, and only the changed ones.

FORWARD ─ ORIGO-FORWARD ┬ ORIGO-TO ─── -o <bridge> ─ ORIGO-T-<bridge>   who may reach its guests
                        └ ORIGO-FROM ─ -i <bridge> ─ ORIGO-F-<bridge>   where its guests may go
INPUT ── ORIGO-INPUT ────────────────── -i <bridge> ─ ORIGO-I-<bridge>   what of the host its guests reach
POSTROUTING (nat) ─ ORIGO-NAT           one MASQUERADE for each network with outgoing NAT
"""

from collections.abc import Iterable, Sequence
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
SHARED = {
    "filter": ("ORIGO-FORWARD", "ORIGO-TO", "ORIGO-FROM", "ORIGO-INPUT"),
    "nat": ("ORIGO-NAT",),
}
"""Chains with one line for each network; they are never flushed while only some networks change."""


@dataclass(frozen=True)
class Branch:
    """What one network adds: its line in each shared chain, and the rules of its own chains."""

    lines: dict[str, str]
    chains: dict[str, tuple[str, ...]]


def own_chains(bridge: str) -> tuple[str, str, str]:
    """The names of the chains that belong to that bridge alone."""
    return f"{CHAIN}T-{bridge}", f"{CHAIN}F-{bridge}", f"{CHAIN}I-{bridge}"


def _filter_lines(bridge: str) -> dict[str, str]:
    to, out, host = own_chains(bridge)
    return {
        "ORIGO-TO": f"-A ORIGO-TO -o {bridge} -j {to}",
        "ORIGO-FROM": f"-A ORIGO-FROM -i {bridge} -j {out}",
        "ORIGO-INPUT": f"-A ORIGO-INPUT -i {bridge} -j {host}",
    }


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
            *([f"-A {out} -s {subnet} -j ACCEPT"] if network.nat else []),
            f"-A {out} -j REJECT --reject-with icmp-admin-prohibited",
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
    branches = [(network, branch(network)) for network in networks]
    present = seen.chains(name)
    fresh = [chain for chain in SHARED[name] if everything or chain not in present]
    own = {chain: rules for _, one in branches for chain, rules in one.chains.items()} if name == "filter" else {}
    changed = {chain: rules for chain, rules in own.items() if present.get(chain) != rules}
    body = [rule for chain in fresh for rule in FIXED.get(chain, ())]
    body += [rule for rules in changed.values() for rule in rules]
    bridges = {network.bridge for network in networks} | set(gone)
    for chain in SHARED[name]:
        wanted = [one.lines[chain] for _, one in branches if chain in one.lines]
        there = [] if chain in fresh else [rule for rule in seen.rules(name, chain) if bridges & set(rule.split())]
        body += [rule.replace("-A ", "-D ", 1) for rule in there if rule not in wanted]
        body += [rule for rule in wanted if rule not in there]
    body += _trunk(name, seen)
    stale = {chain for bridge in gone for chain in own_chains(bridge)}
    if everything:
        stale |= {chain for chain in present if chain.startswith(CHAIN) and chain not in SHARED[name]}
    ended = sorted((stale & set(present)) - set(own))
    body += [f"-F {chain}" for chain in ended] + [f"-X {chain}" for chain in ended]
    declared = [f":{chain} - [0:0]" for chain in (*fresh, *changed)]
    if not body and not declared:
        return ""
    return "\n".join((f"*{name}", *declared, *body, "COMMIT")) + "\n"


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
    trunk = {(name, top): f"-A {top} -j {chain}" for name, jumps in TRUNK.items() for top, chain in jumps.items()}
    lines = {("filter", chain): line for chain, line in _filter_lines(bridge).items()}
    present = all(line in seen.rules(name, chain) for (name, chain), line in {**trunk, **lines}.items())
    return present and set(own_chains(bridge)) <= set(seen.chains("filter"))
