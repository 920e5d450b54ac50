"""Makes a Linux host's bridges, rules and taps as desired; what it needs to know it asks the host, never its memory."""

import contextlib
import ipaddress
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from origo_plugins.net_iptables import commands, dnsmasq, guard, names, parse, probe, rules
from origo_plugins.net_iptables.parse import Bridge, Guarded

from origo.contracts import ConnectionSpec, ConnectionType, Desired, Facts, Lack, Network, NetworkSpec, ServiceSpec
from origo.errors import CommandFailed, Conflict, NotFound, OrigoError
from origo.host import Host

T = TypeVar("T")
ROUTES = "/proc/net/route"
TYPES = (ConnectionType("internal", "Internal", {"type": "object", "properties": {}, "additionalProperties": False}),)


class IptablesNetwork(Network):
    """Options: `state`, the folder of dnsmasq's files, which its user must be able to reach (by default
    /run/origo/network); `mtu` (1500); `resolver`, the file that names whom dnsmasq asks (/etc/resolv.conf)."""

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        self.state = options.get("state", "/run/origo/network")
        self.mtu = options.get("mtu", "1500")
        self.resolver = options.get("resolver", "/etc/resolv.conf")
        self._lock = threading.Lock()

    def check(self) -> list[Lack]:
        """Commands and kernel features, tried in a network namespace that is gone at once."""
        return probe.lacks(self.host, self.state)

    def info(self) -> Facts:
        """Its name and the version of nft."""
        version = self.host.run(["nft", "--version"]).text.split()
        return Facts("Bridges, iptables and dnsmasq", version=version[1].lstrip("v") if len(version) > 1 else "")

    def types(self) -> tuple[ConnectionType, ...]:
        """Internal connections."""
        return TYPES

    def services(self, desired: Desired) -> tuple[ServiceSpec, ...]:
        """A dnsmasq for each network with a connection up, named `network-<bridge>`."""
        return dnsmasq.services(desired, self.state, self.mtu, self.resolver)

    def render(self, desired: Desired) -> str:
        """As on a host that has nothing yet."""
        networks = _sorted(desired.networks)
        parts = [
            ("ip -batch -", commands.prepare_text(networks, (), {}, self.mtu)),
            ("iptables-restore --noflush", rules.restore_text(networks, (), parse.Rules({}))),
            ("sysctl", " ".join(commands.kernel_settings(networks)) + "\n"),
            ("ip -batch -", commands.finish_text(networks, (), {}, self.mtu)),
            ("nft -f -", guard.CHAINS + guard.elements(_sorted(desired.connections))),
        ]
        for service in self.services(desired):
            parts.append((service.name, " ".join(service.argv) + "\n"))
            parts += list(service.files.items())
        return "\n".join(f"# {title}\n{text}" for title, text in parts if text.strip())

    def current(self) -> frozenset[str]:
        """Networks whose bridge is up and to whose chains the host leads, and connections whose tap is guarded."""
        seen = parse.rules(self._ask(commands.READ_RULES))
        networks = {one.id for one in self._bridges().values() if one.id and one.up and rules.complete(one.name, seen)}
        return frozenset(networks | set(self._guarded() or ()))

    def apply(self, desired: Desired, changed: frozenset[str] | None) -> None:
        """New connections alone cost one `nft`; networks one `iptables-restore`, one `ip -batch` and one `sysctl`."""
        ids = {*desired.networks, *desired.connections} if changed is None else changed
        for id in ids & set(desired.networks):
            names.check_network(desired.networks[id])
        for id in ids & set(desired.connections):
            one = desired.connections[id]
            names.check_connection(one, desired.networks.get(one.network))
        with self._lock:
            if changed is None:
                self._restore(desired)
            else:
                self._change(desired, changed)

    # -- some keys

    def _change(self, desired: Desired, changed: frozenset[str]) -> None:
        networks = [desired.networks[id] for id in sorted(changed & set(desired.networks))]
        connections = [desired.connections[id] for id in sorted(changed & set(desired.connections))]
        gone = changed - set(desired.networks) - set(desired.connections)
        seen = self._bridges() if networks or gone else {}
        stale = {one.name: one.id for one in seen.values() if parse.made_for(one, gone)}
        new = [one.id for one in networks if one.bridge not in seen]
        try:
            self._networks(networks, list(stale), seen)
            self._connections(desired, connections, gone - set(stale.values()))
        except BaseException:
            with contextlib.suppress(OrigoError):
                now = self._bridges()
                self._networks((), [one.name for one in now.values() if parse.made_for(one, new)], now)
            raise

    def _networks(
        self, networks: Sequence[NetworkSpec], gone: Sequence[str], seen: Mapping[str, Bridge], everything: bool = False
    ) -> None:
        """A new bridge is there first and up last, one that goes is down first and gone last: killed at any point,
        it is found again by its name, and it never carries a frame without its rules."""
        if not networks and not gone and not everything:
            return
        ended = [*gone, *(one.bridge for one in networks if one.bridge in seen and seen[one.bridge].id == "")]
        self._refuse_strangers(networks, {name: one for name, one in seen.items() if name not in ended})
        self._tell(commands.BATCH, commands.prepare_text(networks, ended, seen, self.mtu))
        present = parse.rules(self._ask(commands.READ_RULES))
        walls = rules.restore_text(networks, ended, present, everything=everything)
        finish = commands.finish_text(networks, ended, seen, self.mtu)
        self._tell(commands.RESTORE, walls)
        settings = commands.kernel_settings(networks)
        if settings and (walls or finish):
            self.host.run(settings)
        self._tell(commands.BATCH, finish)
        self._end_deaf(one.bridge for one in networks if one.bridge not in seen or one.bridge in ended)
        self._forget(set(ended) - {one.bridge for one in networks})

    def _connections(self, desired: Desired, connections: Sequence[ConnectionSpec], gone: Collection[str]) -> None:
        if not connections and not gone:
            return
        if not gone:
            # What is there already stays and costs nothing; a missing table or another address is refused as a whole.
            with contextlib.suppress(CommandFailed):
                self._tell(commands.NFT, guard.elements(connections))
                return
        seen = self._guarded()
        if seen is None:
            self._tell(commands.NFT, guard.CHAINS + guard.elements(connections))
            return
        _refuse_taken_taps(connections, gone, seen)
        self._release(guard.outdated(connections, gone, seen), desired.networks.values())
        self._detach(seen[id].tap for id in gone if id in seen)
        self._tell(commands.NFT, guard.delta(connections, gone, seen))

    # -- everything

    def _restore(self, desired: Desired) -> None:
        networks, connections = _sorted(desired.networks), _sorted(desired.connections)
        seen, guarded = self._bridges(), self._guarded() or {}
        wanted = {one.bridge: one.id for one in networks}
        stale = [one.name for one in seen.values() if one.id is not None and wanted.get(one.name) != one.id]
        gone = [id for id in guarded if id not in desired.connections]
        self._networks(networks, stale, seen, everything=True)
        self._release(guard.outdated(connections, gone, guarded), networks)
        self._detach(guarded[id].tap for id in gone)
        self._tell(commands.NFT, guard.CHAINS + guard.elements(connections))
        self._attach({one.tap: desired.networks[one.network].bridge for one in connections})

    def _attach(self, bridges: Mapping[str, str]) -> None:
        """Put taps that are there back on their bridge, which somebody may have removed under a running guest."""
        masters = parse.masters(self._ask(commands.READ_LINKS))
        moved = [(tap, bridge) for tap, bridge in bridges.items() if masters.get(tap, bridge) != bridge]
        self._tell(commands.BATCH, commands.port_text(moved))

    # -- the host

    def _bridges(self) -> dict[str, Bridge]:
        return parse.bridges(self._ask(commands.READ_BRIDGES))

    def _ask(self, argv: Sequence[str]) -> str:
        return self.host.run(argv).text

    def _tell(self, argv: Sequence[str], text: str) -> None:
        if text:
            self.host.run(argv, input=text.encode())

    def _guarded(self) -> dict[str, Guarded] | None:
        """The guarded connections, or None if there is no table of ours."""
        answer = self.host.run(guard.LIST, check=False)
        return parse.guarded(answer.text) if answer.code == 0 else None

    def _release(self, guarded: Iterable[Guarded], networks: Iterable[NetworkSpec]) -> None:
        """Let dnsmasq forget these leases; where none runs nobody listens, and there is nothing to forget."""
        left = list(guarded)
        subnets = [(ipaddress.IPv4Network(one.subnet), one.bridge) for one in networks] if left else []
        for one in left:
            address = ipaddress.IPv4Address(one.address)
            for bridge in (name for subnet, name in subnets if address in subnet):
                self.host.run(commands.release(bridge, one.address, one.mac), check=False)

    def _detach(self, taps: Iterable[str]) -> None:
        """A tap must leave the bridge before it is no longer guarded."""
        left = [(tap, "") for tap in taps if self.host.exists(f"/sys/class/net/{tap}/brport")]
        self._tell(commands.BATCH, commands.port_text(left))

    def _end_deaf(self, bridges: Iterable[str]) -> None:
        """A dnsmasq that still runs listens on the bridge that was; its supervisor starts it again."""
        for bridge in bridges:
            note = f"{self.state}/{bridge}/pid"
            if self.host.exists(note):
                self.host.run(commands.end_noted(note), check=False)

    def _forget(self, bridges: Iterable[str]) -> None:
        """Remove what dnsmasq has left of these networks."""
        for bridge in bridges:
            folder = f"{self.state}/{bridge}"
            with contextlib.suppress(NotFound):
                for name in self.host.list(folder):
                    self.host.remove(f"{folder}/{name}")
                self.host.remove(folder)

    def _refuse_strangers(self, networks: Sequence[NetworkSpec], seen: Mapping[str, Bridge]) -> None:
        """Raises Conflict for a link that is not ours, or a subnet that the host reaches elsewhere."""
        new = [one for one in networks if one.bridge not in seen]
        for one in networks:
            there = seen.get(one.bridge)
            if (there and there.id != one.id) or (not there and self.host.exists(f"/sys/class/net/{one.bridge}/mtu")):
                raise Conflict(f"cannot make the bridge {one.bridge}: there is a link of that name that is not its own")
        if not new:
            return
        ours = {one.name for one in seen.values() if one.id is not None} | {one.bridge for one in networks}
        for target, link in parse.routes(self.host.read(ROUTES).decode()):
            for one in new:
                if link not in ours and target.overlaps(ipaddress.IPv4Network(one.subnet)):
                    raise Conflict(
                        f"cannot make the bridge {one.bridge}: this machine reaches {target} through {link}",
                        hint=f"choose another subnet than {one.subnet}",
                    )


def _refuse_taken_taps(
    connections: Sequence[ConnectionSpec], gone: Collection[str], seen: Mapping[str, Guarded]
) -> None:
    """Raises Conflict if a tap is another connection's; one that goes in the same change gives its tap free."""
    changed = {*gone, *(one.id for one in connections)}
    owners = {one.tap: one.id for one in seen.values() if one.id not in changed}
    for one in connections:
        if one.tap in owners:
            raise Conflict(f"cannot connect {one.hostname}: the tap {one.tap} is the connection {owners[one.tap]}'s")


def _sorted(things: Mapping[str, T]) -> list[T]:
    return [things[id] for id in sorted(things)]
