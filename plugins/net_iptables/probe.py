"""What the host lacks: each kind of text is really applied, in a network namespace that is gone at once."""

import contextlib

from origo_plugins.net_iptables import commands, guard, parse, rules

from origo.contracts import Desired, Lack, NetworkSpec
from origo.contracts.network import ConnectionSpec
from origo.errors import OrigoError
from origo.host import Host

PACKAGES = {
    "ip": "iproute2",
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "dhcp_release": "dnsmasq-utils",
    "sysctl": "procps",
}
ALONE = ("unshare", "--net")


def sample() -> Desired:
    """One network with NAT and one connection: every kind of rule that there is."""
    network = NetworkSpec("probe", "origo-probe", "10.255.255.0/24", "10.255.255.1", "nobody")
    connection = ConnectionSpec("c", "probe", "internal", "52:54:00:00:00:01", "10.255.255.2", "origo-tap", "probe")
    return Desired({network.id: network}, {connection.id: connection})


def lacks(host: Host, state: str) -> list[Lack]:
    """Missing commands first; with all of them there, what the kernel refuses."""
    missing = [name for name in PACKAGES if not _there(host, name)]
    if missing:
        return [Lack(f"{name} cannot be started", f"install the package {PACKAGES[name]}") for name in missing]
    desired = sample()
    networks, connections = list(desired.networks.values()), desired.connections.values()
    tried = (
        ("the kernel makes no bridges", commands.BATCH, commands.prepare_text(networks, (), {}, "1500")),
        ("the kernel refuses our iptables rules", commands.RESTORE, rules.restore_text(networks, (), parse.Rules({}))),
        ("the kernel refuses our nft bridge table", commands.NFT, guard.CHAINS + guard.elements(connections)),
    )
    found = []
    for sentence, argv, text in tried:
        reason = _refusal(host, (*ALONE, *argv), text)
        if reason:
            found.append(Lack(f"{sentence}: {reason}", "use a kernel with bridge, conntrack and nf_tables modules"))
    if host.run(["test", "-w", "/proc/sys/net/ipv4/ip_forward"], check=False).code != 0:
        found.append(Lack("forwarding between networks cannot be switched on", "run where /proc/sys/net is writable"))
    return found + _unreadable(host, state)


def _there(host: Host, name: str) -> bool:
    """Whether it can be started; not all of them know the question, but all of them end."""
    with contextlib.suppress(OrigoError):
        host.run([name, "--version"], check=False)
        return True
    return False


def _refusal(host: Host, argv: tuple[str, ...], text: str) -> str:
    answer = host.run(argv, input=text.encode(), check=False)
    if answer.code == 0:
        return ""
    lines = answer.err.decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), f"status {answer.code}")


def _unreadable(host: Host, state: str) -> list[Lack]:
    """dnsmasq reads its files again as its own user, so that one must get to their folder, or to where it will be."""
    path = state
    while path != "/" and not host.exists(path):
        path = path.rpartition("/")[0] or "/"
    with contextlib.suppress(OrigoError):
        if host.run(["test", "-x", path], user="dnsmasq", check=False).code != 0:
            return [Lack(f"the user dnsmasq cannot reach {path}", f"chmod a+x {path} and the folders above it")]
    return []
