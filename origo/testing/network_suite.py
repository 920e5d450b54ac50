"""What every Network must keep: subclass `NetworkSuite`, give the fixtures `make` and `stranger`, run pytest.

Numbers are those of the clauses in docs/reference/contract-network.md.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from origo.contracts import ConnectionSpec, Desired, Network, NetworkSpec
from origo.errors import BadInput, Conflict
from origo.host import Job, job

GROUP = "network-suite"
Make = Callable[[], Network]


def network(number: int, *, nat: bool = False) -> NetworkSpec:
    """The network of that number, as the core would make it."""
    subnet = f"10.{number}.0.0/24"
    return NetworkSpec(f"network-{number}", f"origo{number}", subnet, f"10.{number}.0.1", f"user-{number}", nat)


def connection(number: int, place: int, *, up: bool = True) -> ConnectionSpec:
    """A server's connection to the network of that number."""
    mac, address = f"52:54:00:00:{number:02x}:{place:02x}", f"10.{number}.0.{place}"
    id, tap, name = f"connection-{number}-{place}", f"tap{number}x{place}", f"server{place}"
    return ConnectionSpec(id, f"network-{number}", "internal", mac, address, tap, name, up)


def desired(*things: NetworkSpec | ConnectionSpec) -> Desired:
    """All these."""
    networks = {one.id: one for one in things if isinstance(one, NetworkSpec)}
    return Desired(networks, {one.id: one for one in things if isinstance(one, ConnectionSpec)})


def ids(state: Desired) -> frozenset[str]:
    """All ids in it."""
    return frozenset({*state.networks, *state.connections})


class NetworkSuite:
    """Clauses of the contract Network. The host has nothing of ours at first, and nothing of ours after each test."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes one more driver for the same host, as another daemon would."""
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> Callable[[str], None]:
        """Makes a link of that name which is not ours; it is removed after the test."""
        raise NotImplementedError

    def test_01_what_was_applied_is_there_and_any_driver_sees_it(self, make: Make) -> None:
        state = desired(network(201), connection(201, 5), network(202, nat=True))
        make().apply(state, ids(state))
        assert make().current() == ids(state)

    def test_02_applying_twice_is_the_same_as_once(self, make: Make) -> None:
        state = desired(network(201), connection(201, 5))
        for changed in (ids(state), ids(state), None, None):
            make().apply(state, changed)
            assert make().current() == ids(state)

    def test_03_only_changed_keys_are_touched(self, make: Make) -> None:
        state = desired(network(201), network(202), connection(201, 5), connection(201, 6))
        make().apply(state, frozenset({"network-201", "connection-201-5"}))
        assert make().current() == {"network-201", "connection-201-5"}
        make().apply(desired(), frozenset({"connection-201-5"}))
        assert make().current() == {"network-201"}

    def test_04_what_is_no_longer_desired_is_removed_and_what_is_absent_is_fine(self, make: Make) -> None:
        state = desired(network(201), connection(201, 5), connection(201, 6))
        make().apply(state, ids(state))
        smaller = desired(network(201), connection(201, 6))
        for _ in range(2):
            make().apply(smaller, frozenset({"connection-201-5", "nobody-knows-it"}))
            assert make().current() == ids(smaller)
        make().apply(desired(), ids(state))
        assert make().current() == frozenset()

    def test_05_applying_all_removes_what_nobody_desires(self, make: Make) -> None:
        state = desired(network(201), connection(201, 5), network(202), connection(202, 5))
        make().apply(state, None)
        assert make().current() == ids(state)
        smaller = desired(network(202), connection(202, 7))
        make().apply(smaller, None)
        assert make().current() == ids(smaller)
        make().apply(desired(), None)
        assert make().current() == frozenset()

    def test_06_a_connection_is_changed_in_place(self, make: Make) -> None:
        before = desired(network(201), connection(201, 5))
        make().apply(before, ids(before))
        moved = replace(connection(201, 5), address="10.201.0.9", mac="52:54:00:00:c9:99")
        after = desired(network(201), moved)
        make().apply(after, frozenset({moved.id}))
        assert make().current() == ids(after)
        make().apply(before, None)
        assert make().current() == ids(before)

    def test_07_what_cannot_be_made_wholly_is_not_made(self, make: Make, stranger: Callable[[str], None]) -> None:
        good = desired(network(201), connection(201, 5))
        make().apply(good, ids(good))
        stranger("origo203")
        more = desired(*good.networks.values(), *good.connections.values(), network(202), network(203))
        with pytest.raises(Conflict, match="cannot .*origo203"):
            make().apply(more, frozenset({"network-202", "network-203"}))
        assert make().current() == ids(good)

    @pytest.mark.parametrize(
        "wrong",
        [
            replace(connection(201, 5), address="10.202.0.5"),
            replace(connection(201, 5), address="10.201.0.1"),
            replace(connection(201, 5), address="10.201.0.255"),
            replace(connection(201, 5), network="nowhere"),
            replace(connection(201, 5), type="carrier-pigeon"),
            replace(connection(201, 5), tap="a b\nflush"),
            replace(network(202), gateway="10.203.0.1"),
            replace(network(202), subnet="all of it"),
            replace(network(202), bridge="a; reboot"),
        ],
    )
    def test_08_nonsense_is_refused_before_anything_changes(
        self, make: Make, wrong: NetworkSpec | ConnectionSpec
    ) -> None:
        state = desired(network(201), wrong)
        for changed in (ids(state), None):
            with pytest.raises(BadInput, match="cannot "):
                make().apply(state, changed)
            assert make().current() == frozenset()

    def test_09_rendering_shows_every_name_and_changes_nothing(self, make: Make) -> None:
        text = make().render(desired(network(201, nat=True), connection(201, 5)))
        for word in ("origo201", "10.201.0.1", "52:54:00:00:c9:05", "10.201.0.5", "tap201x5"):
            assert word in text
        assert make().current() == frozenset()

    def test_10_programs_run_only_where_a_connection_is_up_and_servers_change_files_alone(self, make: Make) -> None:
        first = desired(network(201), network(202), connection(201, 5), connection(202, 5, up=False))
        more = desired(network(201), network(202), connection(201, 5), connection(201, 6))
        (one,), (two,) = make().services(first), make().services(more)
        assert one.name == two.name and one.argv == two.argv and one.ready == two.ready
        assert one.name == "network-origo201" and dict(one.files) != dict(two.files)
        assert "10.201.0.6" in "".join(two.files.values())
        assert make().services(desired(network(201))) == ()

    def test_11_internal_connections_are_offered_and_options_are_described(self, make: Make) -> None:
        types = {one.name: one for one in make().types()}
        assert "internal" in types
        assert all(one.title and one.options.get("type") == "object" for one in types.values())

    def test_12_a_host_that_lacks_nothing_says_so_and_the_driver_has_a_title(self, make: Make) -> None:
        assert make().check() == []
        assert make().info().title

    @pytest.mark.parametrize("milliseconds", [1, 5, 12, 20, 30, 45, 60, 80])
    def test_13_killed_at_any_point_it_converges(self, make: Make, milliseconds: int) -> None:
        before = desired(network(201), connection(201, 5), network(204))
        make().apply(before, None)
        after = desired(network(201), connection(201, 6), network(202), connection(202, 5), network(203, nat=True))
        self.killed(make(), lambda driver: driver.apply(after, ids(after) | ids(before)), milliseconds / 1000)
        make().apply(after, ids(after) | ids(before))
        assert make().current() == ids(after)
        self.killed(make(), lambda driver: driver.apply(before, None), milliseconds / 1000)
        make().apply(after, None)
        assert make().current() == ids(after)

    def killed(self, driver: Network, work: Callable[[Network], None], seconds: float) -> None:
        """Begin it in a process of its own, kill that, and end what it started, as the operations engine does."""
        pid = os.fork()
        if pid == 0:
            with job(Job(group=GROUP)):
                work(driver)
            os._exit(0)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        driver.host.end(GROUP)
