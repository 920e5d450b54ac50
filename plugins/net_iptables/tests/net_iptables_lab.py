"""A small world of network namespaces: guests behind veth pairs instead of taps, and a world outside."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from origo_plugins.net_iptables.driver import IptablesNetwork

from origo.contracts import ConnectionSpec, Desired, ServiceSpec
from origo.host import LocalHost
from origo.supervise import Supervisor
from tests.forms import FORM

OUTSIDE = "192.0.2.2"
ENGINE_OUTSIDE = "192.0.2.1"

STATE, RESOLVER = Path("/run/lab"), Path("/run/lab-resolv.conf")
"""Where the user dnsmasq gets to; a test's own folder is root's alone."""

LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route replace default via "$router"
echo "$ip $router $dns $domain $mtu $lease $hostname" >"$0.$interface.$NAMESPACE"
"""
CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5).close()"
SEND = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for _ in range(3):
    out.send(bytes.fromhex(sys.argv[1]))
"""
LISTEN = """
import socket, sys
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind(("eth0", 0))
heard.settimeout(float(sys.argv[2]))
print("listening", flush=True)
try:
    while bytes.fromhex(sys.argv[1]) not in heard.recv(4096):
        pass
    print("heard")
except TimeoutError:
    print("nothing")
"""


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=30)


class Lab:
    """The engine is this network namespace; `close` removes all that was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = STATE
        self.host = LocalHost()
        self.supervisor = Supervisor(str(folder / "services"), lambda name, sentence: None, FORM)
        self.programs: list[subprocess.Popen[bytes]] = []
        self.names: list[str] = []
        self.links: list[str] = []
        RESOLVER.write_text(f"nameserver {OUTSIDE}\n")

    def driver(self) -> IptablesNetwork:
        return IptablesNetwork(self.host, {"state": str(self.state), "resolver": str(RESOLVER)})

    def apply(self, desired: Desired, changed: frozenset[str] | None = None) -> None:
        """As the core does: first the host, then the programs."""
        driver = self.driver()
        driver.apply(desired, changed)
        wanted = {spec.name: spec for spec in driver.services(desired)}
        for spec in wanted.values():
            self.supervisor.ensure(spec)
        for name in set(self.supervisor.states()) - set(wanted):
            self.supervisor.remove(name)

    def services(self, desired: Desired) -> tuple[ServiceSpec, ...]:
        return self.driver().services(desired)

    def namespace(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self.names.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def outside(self) -> None:
        """A world outside that knows no way back to guests, with a web server and a name server."""
        self.namespace("outside")
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", "outside")
        self.links.append("up0")
        run("ip", "address", "add", f"{ENGINE_OUTSIDE}/24", "dev", "up0")
        run("ip", "link", "set", "up0", "up")
        run("ip", "-n", "outside", "address", "add", f"{OUTSIDE}/24", "dev", "eth0")
        run("ip", "-n", "outside", "link", "set", "eth0", "up")
        self.serve(8080, "outside")
        answers = "--address=/example.test/198.51.100.7"
        self.background(
            "outside", "dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--pid-file", answers
        )
        self.wait(lambda: self.reaches("", OUTSIDE, 8080))

    def provider(self) -> str:
        """Whom a rented machine asks for its keys: an address outside that only the machine itself shall reach."""
        address = "169.254.169.254"
        run("ip", "-n", "outside", "address", "add", f"{address}/32", "dev", "eth0")
        run("ip", "route", "add", address, "dev", "up0")
        return address

    def plug(self, connection: ConnectionSpec, *, mac: str = "") -> str:
        """A guest whose tap is plugged in as a hypervisor does it at start; returns its name."""
        name = f"guest-{connection.tap}"
        self.namespace(name)
        run("ip", "link", "add", connection.tap, "type", "veth", "peer", "name", "eth0", "netns", name)
        self.links.append(connection.tap)
        bridge = f"origo{connection.network.removeprefix('network-')}"
        run("ip", "link", "set", connection.tap, "master", bridge, "up")
        run("ip", "-n", name, "link", "set", "eth0", "address", mac or connection.mac, "up")
        return name

    def manual(self, connection: ConnectionSpec, gateway: str, *, address: str = "", mac: str = "") -> str:
        """A guest that needs no DHCP."""
        name = self.plug(connection, mac=mac)
        run("ip", "-n", name, "address", "add", f"{address or connection.address}/24", "dev", "eth0")
        run("ip", "-n", name, "route", "add", "default", "via", gateway)
        return name

    def lease(self, name: str, tries: int = 3) -> list[str]:
        """What DHCP gives that guest: address, router, DNS, domain, MTU, lease, host name; empty if nothing."""
        script = self.folder / "lease"
        script.write_text(LEASE_SCRIPT)
        script.chmod(0o755)
        words = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", str(tries), "-T", "1", "-s", str(script))
        options = ("-O", "mtu", "-O", "hostname")
        run("ip", "netns", "exec", name, "env", f"NAMESPACE={name}", *words, *options, check=False)
        answer = Path(f"{script}.eth0.{name}")
        return answer.read_text().split(" ") if answer.exists() else []

    def inside(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command in a guest, or with an empty name in the engine."""
        return run(*(("ip", "netns", "exec", name) if name else ()), *argv, check=False)

    def background(self, name: str, *argv: str) -> subprocess.Popen[bytes]:
        where = ("ip", "netns", "exec", name) if name else ()
        program = subprocess.Popen([*where, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.programs.append(program)
        return program

    def serve(self, port: int, name: str = "") -> None:
        (self.folder / "www").mkdir(exist_ok=True)
        self.background(name, "busybox", "httpd", "-f", "-p", str(port), "-h", str(self.folder / "www"))
        self.wait(lambda: self.reaches(name, "127.0.0.1", port))

    def pings(self, name: str, address: str) -> bool:
        return self.inside(name, "busybox", "ping", "-c", "1", "-W", "1", address).returncode == 0

    def reaches(self, name: str, address: str, port: int) -> bool:
        return self.inside(name, sys.executable, "-ISc", CONNECT, address, str(port)).returncode == 0

    def resolves(self, name: str, question: str, server: str) -> str:
        """The address that the server gives for that name; empty if none."""
        answer = self.inside(name, "timeout", "3", "busybox", "nslookup", "-type=a", question, server)
        found = [line.split()[-1] for line in answer.stdout.splitlines() if line.startswith("Address")]
        return found[-1] if answer.returncode == 0 and len(found) > 1 else ""

    def hears(self, sender: str, frame: bytes, receiver: str, *, header: int = 14, within: float = 0.7) -> bool:
        """Whether what follows the header of a frame that one guest sends arrives at another."""
        listener = self.background(receiver, sys.executable, "-ISc", LISTEN, frame[header:].hex(), str(within))
        assert listener.stdout and listener.stdout.readline() == b"listening\n"
        sent = self.inside(sender, sys.executable, "-ISc", SEND, frame.hex())
        assert sent.returncode == 0, sent.stderr
        return listener.stdout.read() == b"heard\n"

    def wait(self, true: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it did not happen within {seconds} seconds"
            time.sleep(0.05)

    def close(self) -> None:
        for program in self.programs:
            program.kill()
            program.wait()
            if program.stdout:
                program.stdout.close()
        self.supervisor.stop_all()
        for name in self.links:
            run("ip", "link", "delete", name, check=False)
        for name in self.names:
            run("ip", "netns", "delete", name, check=False)
        self.driver().apply(Desired(), None)


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def address_bytes(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def ip_frame(source_mac: str, source: str, target_mac: str, target: str, word: bytes, port: int = 4000) -> bytes:
    """A UDP datagram; `word` makes it known again."""
    data = port.to_bytes(2) + (4000).to_bytes(2) + (8 + len(word)).to_bytes(2) + bytes(2) + word
    header = bytes([0x45, 0]) + (20 + len(data)).to_bytes(2) + bytes(4) + bytes([64, 17])
    rest = address_bytes(source) + address_bytes(target)
    total = sum(int.from_bytes((header + bytes(2) + rest)[place : place + 2]) for place in range(0, 20, 2))
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    packet = header + checksum.to_bytes(2) + rest + data
    return mac_bytes(target_mac) + mac_bytes(source_mac) + b"\x08\x00" + packet


def arp_frame(source_mac: str, claimed_mac: str, claimed: str, target: str) -> bytes:
    """An ARP answer to everybody: "`claimed` is at `claimed_mac`"."""
    body = b"\x00\x01\x08\x00\x06\x04\x00\x02" + mac_bytes(claimed_mac) + address_bytes(claimed)
    return b"\xff" * 6 + mac_bytes(source_mac) + b"\x08\x06" + body + b"\xff" * 6 + address_bytes(target) + bytes(18)
