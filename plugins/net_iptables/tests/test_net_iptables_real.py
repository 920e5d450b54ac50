"""net_iptables on a real kernel: leases, names, NAT, walls, impostors, strangers, kills and cost.

Numbers are those of the clauses in docs/reference/contract-network.md.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from net_iptables_lab import ENGINE_OUTSIDE, OUTSIDE, Lab, arp_frame, ip_frame, run
from origo_plugins.net_iptables.driver import IptablesNetwork

from origo.contracts import Desired
from origo.errors import Conflict
from origo.host import LocalHost, Result
from origo.testing.network_suite import Make, NetworkSuite, connection, desired, ids, network

pytestmark = [pytest.mark.needs("iptables"), pytest.mark.timeout(120)]

EVERYBODY = "ff:ff:ff:ff:ff:ff"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    one = Lab(tmp_path)
    yield one
    one.close()


class TestIptablesNetwork(NetworkSuite):
    @pytest.fixture
    def make(self, lab: Lab) -> Make:
        return lab.driver

    @pytest.fixture
    def stranger(self) -> Iterator[Callable[[str], None]]:
        made: list[str] = []

        def make_one(name: str) -> None:
            run("ip", "link", "add", name, "type", "bridge")
            made.append(name)

        yield make_one
        for name in made:
            run("ip", "link", "delete", name)


def test_20_a_guest_gets_its_own_address_its_name_and_answers_for_names(lab: Lab) -> None:
    lab.outside()
    state = desired(network(1, nat=True), connection(1, 5), connection(1, 6))
    lab.apply(state)
    guest = lab.plug(connection(1, 5))
    address, router, dns, domain, mtu, lease, hostname = lab.lease(guest)
    assert (address, router, dns) == ("10.1.0.5", "10.1.0.1", "10.1.0.1")
    assert (domain, mtu, lease, hostname.strip()) == ("internal", "1500", "43200", "server5")
    assert lab.resolves(guest, "server6.internal", "10.1.0.1") == "10.1.0.6"
    assert lab.resolves(guest, "example.test", "10.1.0.1") == "198.51.100.7"
    assert lab.resolves(guest, "nobody.internal", "10.1.0.1") == ""
    pid = lab.supervisor.states()["network-origo1"].pid
    user = Path(f"/proc/{pid}").stat().st_uid
    assert user != 0, "dnsmasq must not stay root"


def test_21_servers_come_and_go_without_a_restart_of_dnsmasq(lab: Lab) -> None:
    first = desired(network(1), connection(1, 5))
    lab.apply(first)
    pid = lab.supervisor.states()["network-origo1"].pid
    more = desired(network(1), connection(1, 5), connection(1, 6))
    lab.apply(more, frozenset({"connection-1-6"}))
    assert lab.lease(lab.plug(connection(1, 6)))[0] == "10.1.0.6"
    successor = replace(connection(1, 7), address="10.1.0.6")
    lab.apply(desired(network(1), connection(1, 5), successor), frozenset({"connection-1-6", successor.id}))
    assert lab.lease(lab.plug(successor))[0] == "10.1.0.6"
    assert lab.supervisor.states()["network-origo1"].pid == pid
    lab.apply(desired(network(1)), frozenset({"connection-1-5", successor.id}))
    assert lab.supervisor.states() == {}


def test_22_a_connection_that_is_not_up_is_served_nothing(lab: Lab) -> None:
    state = desired(network(1), connection(1, 5), connection(1, 6, up=False))
    lab.apply(state)
    assert lab.lease(lab.plug(connection(1, 6)), tries=1) == []


def test_23_nat_lets_guests_out_and_can_be_switched_off_and_on(lab: Lab) -> None:
    lab.outside()
    for nat in (True, False, True):
        state = desired(network(1, nat=nat), connection(1, 5))
        lab.apply(state, None if nat else frozenset({"network-1"}))
        if nat and not lab.names[1:]:
            guest = lab.manual(connection(1, 5), "10.1.0.1")
        assert lab.reaches(guest, OUTSIDE, 8080) == nat
        assert lab.pings(guest, OUTSIDE) == nat
        assert lab.pings(guest, "10.1.0.1")


def test_23_what_only_the_machine_itself_is_told_is_not_outside(lab: Lab) -> None:
    lab.outside()
    provider = lab.provider()
    lab.apply(desired(network(1, nat=True), connection(1, 5)))
    guest = lab.manual(connection(1, 5), "10.1.0.1")
    assert lab.reaches("", provider, 8080) and lab.reaches(guest, OUTSIDE, 8080)
    assert not lab.reaches(guest, provider, 8080) and not lab.pings(guest, provider)


def test_24_nobody_outside_reaches_a_guest_even_with_a_route(lab: Lab) -> None:
    lab.outside()
    lab.apply(desired(network(1, nat=True), connection(1, 5)))
    guest = lab.manual(connection(1, 5), "10.1.0.1")
    lab.serve(80, guest)
    run("ip", "-n", "outside", "route", "add", "10.0.0.0/8", "via", ENGINE_OUTSIDE)
    assert not lab.pings("outside", "10.1.0.5") and not lab.reaches("outside", "10.1.0.5", 80)
    assert lab.reaches("", "10.1.0.5", 80), "the front must reach it"


def test_25_networks_do_not_reach_each_other_and_guests_of_one_do(lab: Lab) -> None:
    lab.outside()
    connections = (connection(1, 5), connection(1, 6), connection(2, 5))
    lab.apply(desired(network(1, nat=True), network(2, nat=True), *connections))
    one, other = lab.manual(connections[0], "10.1.0.1"), lab.manual(connections[1], "10.1.0.1")
    far = lab.manual(connections[2], "10.2.0.1")
    for guest in (one, other, far):
        lab.serve(80, guest)
    assert lab.reaches(one, "10.1.0.6", 80) and lab.reaches(other, "10.1.0.5", 80)
    assert not lab.reaches(one, "10.2.0.5", 80) and not lab.pings(one, "10.2.0.5")
    assert not lab.reaches(far, "10.1.0.5", 80) and not lab.pings(far, "10.1.0.5")
    assert not lab.pings(one, "10.2.0.1"), "another network's gateway"


def test_26_guests_reach_nothing_of_the_host_but_addresses_names_and_ping(lab: Lab) -> None:
    lab.outside()
    lab.serve(8081)
    lab.apply(desired(network(1, nat=True), connection(1, 5)))
    guest = lab.manual(connection(1, 5), "10.1.0.1")
    assert lab.pings(guest, "10.1.0.1") and lab.resolves(guest, "server5.internal", "10.1.0.1") == "10.1.0.5"
    for address in ("10.1.0.1", ENGINE_OUTSIDE):
        assert not lab.reaches(guest, address, 8081)
    assert not lab.pings(guest, ENGINE_OUTSIDE)


def test_27_guests_do_not_reach_the_host_or_each_other_by_ipv6(lab: Lab) -> None:
    connections = (connection(1, 5), connection(1, 6))
    lab.apply(desired(network(1), *connections))
    one, other = (lab.plug(each) for each in connections)
    for name, suffix in ((one, "5"), (other, "6")):
        run("ip", "-n", name, "address", "add", f"fd00::{suffix}/64", "dev", "eth0", "nodad")
    assert run("ip", "-6", "address", "show", "dev", "origo1").stdout == ""
    run("sysctl", "-qw", "net/ipv6/conf/origo1/disable_ipv6=0")
    run("ip", "address", "add", "fd00::1/64", "dev", "origo1", "nodad")
    assert not lab.pings(one, "fd00::6") and not lab.pings(one, "fd00::1")


def test_28_an_impostor_is_not_heard(lab: Lab) -> None:
    bad, victim = connection(1, 5), connection(1, 6)
    lab.apply(desired(network(1), bad, victim))
    one, other = lab.plug(bad), lab.plug(victim)

    def heard(frame: bytes) -> bool:
        return lab.hears(one, frame, other)

    assert heard(ip_frame(bad.mac, bad.address, EVERYBODY, victim.address, b"it is really me"))
    assert heard(arp_frame(bad.mac, bad.mac, bad.address, victim.address))
    assert heard(arp_frame(bad.mac, bad.mac, "0.0.0.0", bad.address)), "a probe before it takes its address"  # noqa: S104
    foreign = "52:54:00:00:99:99"
    assert not heard(ip_frame(foreign, bad.address, EVERYBODY, victim.address, b"another card"))
    assert not heard(ip_frame(bad.mac, "10.1.0.66", EVERYBODY, victim.address, b"another address"))
    assert not heard(ip_frame(bad.mac, "10.1.0.1", EVERYBODY, victim.address, b"the gateway"))
    assert not heard(arp_frame(bad.mac, bad.mac, "10.1.0.1", victim.address)), "I am the gateway"
    assert not heard(arp_frame(bad.mac, foreign, bad.address, victim.address))
    assert not heard(arp_frame(foreign, bad.mac, bad.address, victim.address))
    assert not heard(ip_frame(bad.mac, bad.address, EVERYBODY, victim.address, b"a DHCP server", port=67))
    tagged = ip_frame(bad.mac, bad.address, EVERYBODY, victim.address, b"behind a tag")
    assert not lab.hears(one, tagged[:12] + b"\x81\x00\x00\x05" + tagged[12:], other, header=18)
    assert not heard(tagged[:12] + b"\x88\xb5" + b"a protocol of its own")


def test_29_a_connection_that_is_removed_under_a_running_guest_leaves_the_bridge(lab: Lab) -> None:
    both = desired(network(1), connection(1, 5), connection(1, 6))
    lab.apply(both)
    one, _ = lab.manual(connection(1, 5), "10.1.0.1"), lab.manual(connection(1, 6), "10.1.0.1")
    assert lab.pings(one, "10.1.0.6")
    lab.apply(desired(network(1), connection(1, 6)), frozenset({"connection-1-5"}))
    assert not Path("/sys/class/net/tap1x5/brport").exists()
    assert not lab.pings(one, "10.1.0.6")


def test_30_a_bridge_that_somebody_removed_is_made_again_and_guests_are_plugged_in(lab: Lab) -> None:
    state = desired(network(1), connection(1, 5))
    lab.apply(state)
    guest = lab.manual(connection(1, 5), "10.1.0.1")
    mac = Path("/sys/class/net/origo1/address").read_text()
    run("ip", "link", "delete", "origo1")
    run("iptables", "-w", "-F", "FORWARD")
    assert lab.driver().current() == {"connection-1-5"}
    pid = lab.supervisor.states()["network-origo1"].pid
    lab.apply(state)
    assert lab.driver().current() == ids(state)
    assert Path("/sys/class/net/origo1/address").read_text() == mac
    assert lab.pings(guest, "10.1.0.1")
    lab.wait(lambda: lab.supervisor.states()["network-origo1"].pid not in (0, pid))
    assert lab.lease(guest)[0] == "10.1.0.5", "a DHCP server that listens on the bridge that was hears nothing"


def test_31_guests_meet_where_bridges_are_filtered_and_strangers_forbid_forwarding(lab: Lab) -> None:
    lab.apply(desired(network(1), connection(1, 5), connection(1, 6)))
    one, other = lab.manual(connection(1, 5), "10.1.0.1"), lab.manual(connection(1, 6), "10.1.0.1")
    run("ip", "link", "set", "origo1", "type", "bridge", "nf_call_iptables", "1")
    run("iptables", "-w", "-P", "FORWARD", "DROP")
    try:
        assert lab.pings(one, "10.1.0.6") and lab.pings(other, "10.1.0.5")
    finally:
        run("iptables", "-w", "-P", "FORWARD", "ACCEPT")


STRANGERS = """*filter
:STRANGER - [0:0]
-A FORWARD -j STRANGER
-A STRANGER -s 203.0.113.0/24 -j DROP
-A INPUT -p tcp -m tcp --dport 9 -j DROP
COMMIT
*nat
:STRANGER-NAT - [0:0]
-A POSTROUTING -s 203.0.113.0/24 -j MASQUERADE
COMMIT
"""


def test_32_rules_and_links_of_others_stay_as_they_are(lab: Lab) -> None:
    def theirs() -> list[str]:
        lines = run("iptables-save").stdout.splitlines()
        links = run("ip", "-o", "link", "show", "type", "bridge").stdout.splitlines()
        return [line for line in lines if "ORIGO" not in line and line[0] not in "#"] + [
            line for line in links if "origo" not in line
        ]

    run("ip", "link", "add", "docker0", "type", "bridge")
    run("nft", "add table inet stranger; add table bridge stranger; add chain bridge stranger c")
    lab.host.run(["iptables-restore", "--noflush"], input=STRANGERS.encode())
    before, tables = theirs(), run("nft", "list", "tables").stdout
    state = desired(network(1, nat=True), network(2), connection(1, 5))
    for changed in (ids(state), None, None):
        lab.driver().apply(state, changed)
        assert theirs() == before
    lab.driver().apply(desired(network(2)), frozenset({"network-1", "connection-1-5"}))
    lab.driver().apply(Desired(), None)
    assert theirs() == before and "stranger" in run("nft", "list", "tables").stdout and "stranger" in tables
    run("ip", "link", "delete", "docker0")
    run("nft", "delete table inet stranger; delete table bridge stranger")
    run("iptables", "-w", "-F", "INPUT")


def test_33_a_subnet_that_the_machine_reaches_elsewhere_is_refused(lab: Lab) -> None:
    lab.outside()
    run("ip", "address", "add", "10.77.0.2/16", "dev", "up0")
    with pytest.raises(Conflict, match=r"the bridge origo77: this machine reaches 10.77.0.0/16 through up0"):
        lab.driver().apply(desired(network(77)), frozenset({"network-77"}))
    assert lab.driver().current() == frozenset()
    assert "origo77" not in run("iptables-save").stdout


def test_34_a_failure_half_way_takes_back_what_was_made(lab: Lab) -> None:
    good = desired(network(1), connection(1, 5))
    lab.driver().apply(good, ids(good))
    rules = sorted(line for line in run("iptables-save").stdout.splitlines() if line[:1] in "-:*")
    thief = replace(connection(2, 5), tap=connection(1, 5).tap)
    more = desired(*good.networks.values(), *good.connections.values(), network(2), thief)
    with pytest.raises(Conflict, match="tap1x5 is the connection connection-1-5's"):
        lab.driver().apply(more, frozenset({"network-2", thief.id}))
    assert lab.driver().current() == ids(good)
    assert sorted(line for line in run("iptables-save").stdout.splitlines() if line[:1] in "-:*") == rules


class Deadly(LocalHost):
    """A host on which this process is killed before (or after) its n-th command."""

    def __init__(self, left: int, *, after: bool) -> None:
        super().__init__()
        self.left, self.after = left, after

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        self.left -= 1
        if self.left < 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = super().run(argv, **options)
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def dies(lab: Lab, state: Desired, changed: frozenset[str] | None, command: int, *, after: bool) -> bool:
    """Apply in another process that is killed at that command; False when there are fewer."""
    pid = os.fork()
    if pid == 0:
        IptablesNetwork(Deadly(command, after=after), {"state": str(lab.state)}).apply(state, changed)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def world() -> list[str]:
    """All rules, guards and bridges there are, comparable."""
    saved = [line for line in run("iptables-save").stdout.splitlines() if line[:1] in "-:"]
    guards = run("nft", "list", "table", "bridge", "origo", check=False).stdout.split()
    links = run("ip", "-o", "address", "show").stdout.splitlines() + run("ip", "link", "show").stdout.splitlines()
    links = [line for line in links if "alias" in line or "origo" in line]
    parts = (
        [re.sub(r"\[\d+:\d+\]", "", line) for line in saved],
        [word.strip(",") for word in guards],
        [re.sub(r"^\d+: |@.*", "", line).strip() for line in links],
    )
    return [line for part in parts for line in sorted(part)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("everything", [False, True], ids=["some", "all"])
def test_35_killed_at_any_command_the_next_try_forwards_or_backwards_ends_the_same(
    lab: Lab, everything: bool, after: bool
) -> None:
    old = desired(network(1, nat=True), connection(1, 5), network(4), connection(4, 5))
    new = desired(network(1), replace(connection(1, 5), address="10.1.0.9"), network(2, nat=True), connection(2, 5))
    changed = None if everything else ids(old) | ids(new)
    driver = lab.driver()
    worlds = {}
    for name, state in (("old", old), ("new", new), ("old", old)):
        driver.apply(state, None)
        worlds[name] = world()
    assert worlds["new"] != worlds["old"]
    for command in range(40):
        if not dies(lab, new, changed, command, after=after):
            break
        driver.apply(new, changed)
        assert world() == worlds["new"], f"forwards after command {command}"
        driver.apply(old, None)
        assert dies(lab, new, changed, command, after=after)
        driver.apply(old, changed)
        assert world() == worlds["old"], f"backwards after command {command}"
    assert 5 < command < 39


def test_36_many_may_apply_at_once(lab: Lab) -> None:
    driver = lab.driver()
    driver.apply(desired(network(1)), None)

    def one(place: int) -> None:
        mine = connection(1, place) if place % 2 else network(place)
        driver.apply(desired(network(1), mine), frozenset({mine.id}))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(10, 50)))
    expected = {f"connection-1-{place}" if place % 2 else f"network-{place}" for place in range(10, 50)}
    assert driver.current() == expected | {"network-1"}


def test_37_one_more_of_2000_connections_costs_little(lab: Lab) -> None:
    networks = [network(number, nat=number % 2 == 0) for number in range(1, 201)]
    connections = [connection(number, place) for number in range(1, 201) for place in range(5, 15)]
    state = desired(*networks, *connections)
    driver = lab.driver()

    def seconds(work: Callable[[], None]) -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    driver.apply(state, None)
    assert driver.current() == ids(state)
    everything = seconds(lambda: driver.apply(state, None))
    one_more = connection(7, 99)
    bigger = desired(*networks, *connections, one_more)
    delta = min(
        seconds(lambda: driver.apply(bigger, frozenset({one_more.id}))),
        seconds(lambda: driver.apply(bigger, frozenset({one_more.id}))),
    )
    print(f"all {everything * 1000:.0f} ms, one connection {delta * 1000:.1f} ms")
    assert delta < everything / 5
    assert driver.current() == ids(bigger)


def test_38_dnsmasq_killed_is_revived_and_still_serves(lab: Lab) -> None:
    lab.apply(desired(network(1), connection(1, 5)))
    pid = lab.supervisor.states()["network-origo1"].pid
    os.kill(pid, signal.SIGKILL)
    lab.wait(lambda: lab.supervisor.states()["network-origo1"].pid not in (0, pid))
    assert lab.lease(lab.plug(connection(1, 5)))[0] == "10.1.0.5"


def test_a_folder_that_dnsmasq_cannot_reach_is_said_with_a_remedy(lab: Lab) -> None:
    closed = Path("/run/lab-closed/state")
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    (lack,) = IptablesNetwork(lab.host, {"state": str(closed)}).check()
    assert lack.sentence == f"the user dnsmasq cannot reach {closed}" and str(closed) in lack.remedy
    closed.parent.chmod(0o755)
    assert IptablesNetwork(lab.host, {"state": str(closed)}).check() == []
