"""The engine's own firewall: what of this machine can be reached from outside, as one nftables table that is only ours.

Who comes in from a network of Origo's is let through here: the walls of that network leave guests only DHCP, names and
the echo of their gateway. What is forwarded is not this table's matter either.
"""

import contextlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from origo import log
from origo.config import OPENED
from origo.errors import OrigoError
from origo.host import Host
from origo.model import Pool
from origo.operations.core import Core
from origo.services import issues

TABLE = ("inet", "origo_firewall")
LIST = ("nft", "--stateless", "list", "table", *TABLE)
SSH = 22
SERVER = ("sshd", "-T")
SOCKET = ("systemctl", "show", "--property=ActiveState,Listen", "ssh.socket")
NFS = "2049"
KEPT = ("run", "firewall.nft")
"""In the home: what origo-firewall.service loads at the next boot. It names no interface, which may have another name
then, and may have it only later."""
LOST = "engine/firewall-interface"

TEXT = """\
table inet origo_firewall
delete table inet origo_firewall
table inet origo_firewall {{
    chain input {{
        type filter hook input priority filter - 5; policy drop;
        ct state established,related accept
        iif lo accept
        ct state invalid drop
        iifname "origo*" accept
        icmp type {{ echo-request, destination-unreachable, time-exceeded, parameter-problem }} accept
        ip protocol igmp accept
        icmpv6 type {{ echo-request, destination-unreachable, packet-too-big, time-exceeded }} accept
        icmpv6 type parameter-problem accept
        ip6 hoplimit 255 icmpv6 type {{ nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} accept
        ip6 saddr fe80::/10 icmpv6 type {{ mld-listener-query, mld-listener-report, mld-listener-done }} accept
        ip6 saddr fe80::/10 icmpv6 type mld2-listener-report accept
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp dport 546 accept
{opened}\
    }}
}}
"""

_log = log.get("firewall")


@dataclass(frozen=True)
class Opened:
    """One thing that is reachable: ports of a protocol, from everywhere or from one network."""

    protocol: str
    ports: str
    source: str = ""
    everywhere: bool = False
    """Through all interfaces, whichever is the outer one."""

    def rule(self, interface: str) -> str:
        """The line that lets it in, through one interface or through all."""
        words = [f'iifname "{interface}"'] if interface and not self.everywhere else []
        if self.source:
            words.append(f"ip{'6' if ':' in self.source else ''} saddr {self.source}")
        return " ".join([*words, self.protocol, "dport", self.ports, "accept"])


def parse(text: str) -> tuple[Opened, ...]:
    """What the setting opens: words such as 2049/tcp@192.168.1.0/24."""
    found = [re.fullmatch(OPENED, word) for word in text.split()]
    return tuple(Opened(one["protocol"], one["ports"], one["source"] or "") for one in found if one)


def render(opened: Iterable[Opened], interface: str) -> str:
    """The table as text for nft, which takes the place of the one that is there, in one transaction."""
    rules = dict.fromkeys(f"        {one.rule(interface)}\n" for one in opened)
    return TEXT.format(opened="".join(rules))


def wanted(core: Core) -> tuple[Opened, ...]:
    """What this engine's firewall is to open: ssh, the front, what the setting says, and pools for their nodes."""
    ssh = ssh_ports(_said(core.local, SERVER), _said(core.local, SOCKET))
    tcp = [*ssh, core.config["https_port"], core.config["http_port"]]
    nodes = sorted({address for pool in Pool.select(Pool.exported) for address in pool.exported})
    opened = (*(Opened("tcp", str(port)) for port in tcp), *parse(core.config["firewall_open"]))
    return (*opened, *(Opened("tcp", NFS, address, everywhere=True) for address in nodes))


class Firewall:
    """Keeps the table as it is to be: made anew when somebody changed it or took it away; kept for the next boot."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.kept = core.config.path(*KEPT)
        self._lock = threading.Lock()
        self._made = ""
        self._seen = ""

    def begin(self) -> None:
        """Close a machine that is not up yet, if its boot did not: its interfaces and its ssh may still be missing."""
        with self._lock:
            if self.core.config["firewall"] and not is_closed(self.core.local):
                _load(self.core.local, render(wanted(self.core), ""))

    def ensure(self) -> None:
        """Let the machine's table be as it is to be now, or not be there where the setting is off."""
        with self._lock:
            if self.core.config["firewall"]:
                self._make()
            elif self._made or self.core.local.exists(self.kept):
                remove(self.core.local)
                self.core.local.remove(self.kept)
                self._made = self._seen = ""

    def _make(self) -> None:
        opened = wanted(self.core)
        text, seen = render(opened, _side(self.core)), current(self.core.local)
        if text == self._made and seen == self._seen:
            return
        if self._made == text:
            _log.warning("the firewall was changed by somebody, and is made again")
        _load(self.core.local, text)
        self._seen = current(self.core.local)
        self.core.local.write(self.kept, render(opened, "").encode(), mode=0o600)
        self._made = text


def current(host: Host) -> str:
    """The table as the machine has it; empty if it is not there."""
    answer = host.run(LIST, check=False)
    return answer.text if answer.code == 0 else ""


def is_closed(host: Host) -> bool:
    """Whether the machine has the table, and lets in nothing but what it says."""
    return "policy drop" in current(host)


def remove(host: Host) -> None:
    """Take the table away; fine when there is none."""
    _load(host, "table inet origo_firewall\ndelete table inet origo_firewall\n")


def _load(host: Host, text: str) -> None:
    host.run(["nft", "-f", "-"], input=text.encode())


def _side(core: Core) -> str:
    """The interface that is opened, if one was chosen; one that is gone must not lock everybody out."""
    chosen = str(core.config["outer_interface"])
    if not chosen or core.local.exists(f"/sys/class/net/{chosen}"):
        issues.end(core.events, LOST)
        return chosen
    sentence = f"there is no interface {chosen}, so the firewall opens ssh and the pages on all others"
    issues.raise_(core.events, LOST, sentence, remedy="mend the setting outer_interface in origo.toml")
    return ""


def ssh_ports(server: str, socket: str) -> list[int]:
    """Where ssh listens, by what `sshd -T` says of itself and systemd of the socket that may stand before it."""
    said = re.findall(r"^port ([0-9]+)$|^listenaddress \S+:([0-9]+)(?: |$)", server, re.MULTILINE)
    ports = {port or listens for port, listens in said}
    if "ActiveState=active" in socket.splitlines():
        ports |= set(re.findall(r"^Listen=\S*:([0-9]+) \(Stream\)$", socket, re.MULTILINE))
    return sorted(int(port) for port in ports) or [SSH]


def _said(host: Host, argv: Iterable[str]) -> str:
    """What that prints; nothing where there is no such program."""
    with contextlib.suppress(OrigoError):
        return host.run(list(argv), check=False, timeout=20).text
    return ""
