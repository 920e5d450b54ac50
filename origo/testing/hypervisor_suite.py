"""What every Hypervisor must keep: subclass `HypervisorSuite`, give the fixtures, run pytest.

Numbers are those of the clauses in docs/reference/contract-hypervisor.md.
"""

import queue
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from origo.contracts import DiskSpec, Hypervisor, Power, ServerSpec, StateEvent
from origo.errors import Conflict, NotFound

SECONDS = 30
Make = Callable[[], Hypervisor]


def wait_for(condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Whether it came true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class HypervisorSuite:
    """Clauses of the contract Hypervisor. The host has no server of ours at first, and none after each test."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes one more driver for the same host, as another daemon would."""
        raise NotImplementedError

    @pytest.fixture
    def disk(self) -> DiskSpec:
        """A disk whose guest runs on until it is told to stop, and obeys the power button."""
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> str:
        """The id of a running server on the host that Origo did not make."""
        raise NotImplementedError

    @pytest.fixture
    def driver(self, make: Make) -> Iterator[Hypervisor]:
        """One driver; every server of ours is gone afterwards."""
        driver = make()
        yield driver
        for id in driver.list():
            driver.stop(id, force=True)
            driver.undefine(id)

    @pytest.fixture
    def spec(self, disk: DiskSpec) -> ServerSpec:
        """A small server."""
        return ServerSpec(str(uuid.uuid4()), "web1", memory_mb=64, cpus=1, disks=(disk,))

    def test_01_a_defined_server_is_stopped_and_any_driver_sees_it(
        self, driver: Hypervisor, make: Make, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        driver.define(spec)
        assert make().state(spec.id) is Power.STOPPED
        assert dict(make().list()) == {spec.id: Power.STOPPED}

    def test_02_rendering_shows_what_would_be_defined_and_defines_nothing(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        assert spec.disks[0].path in driver.render(spec)
        assert not driver.list()

    def test_03_a_change_of_memory_and_name_is_taken(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        driver.define(replace(spec, name="renamed", memory_mb=80))
        assert dict(driver.list()) == {spec.id: Power.STOPPED}

    def test_04_two_servers_may_have_one_name(self, driver: Hypervisor, spec: ServerSpec) -> None:
        other = replace(spec, id=str(uuid.uuid4()), disks=())
        driver.define(spec)
        driver.define(other)
        assert set(driver.list()) == {spec.id, other.id}

    def test_05_undefining_twice_is_fine_and_a_running_server_is_refused(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        driver.start(spec.id)
        with pytest.raises(Conflict):
            driver.undefine(spec.id)
        driver.stop(spec.id, force=True)
        driver.undefine(spec.id)
        driver.undefine(spec.id)
        assert not driver.list()

    def test_06_starting_and_powering_off_twice_is_the_same_as_once(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        for _ in range(2):
            driver.start(spec.id)
            assert driver.state(spec.id) is Power.RUNNING
        for _ in range(2):
            driver.stop(spec.id, force=True)
            assert driver.state(spec.id) is Power.STOPPED

    def test_07_a_suspended_server_stands_still_until_it_is_resumed(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        driver.start(spec.id)
        for _ in range(2):
            driver.suspend(spec.id)
            assert driver.state(spec.id) is Power.SUSPENDED
        for _ in range(2):
            driver.resume(spec.id)
            assert driver.state(spec.id) is Power.RUNNING
        driver.reset(spec.id)
        assert driver.state(spec.id) is Power.RUNNING

    def test_08_what_needs_a_running_server_is_refused_for_a_stopped_one(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        for verb in (driver.suspend, driver.resume, driver.reset):
            with pytest.raises(Conflict):
                verb(spec.id)

    def test_09_what_is_absent_is_not_found(self, driver: Hypervisor) -> None:
        absent = str(uuid.uuid4())
        for verb in (driver.state, driver.start, driver.suspend, driver.resume, driver.reset):
            with pytest.raises(NotFound):
                verb(absent)
        with pytest.raises(NotFound):
            driver.stop(absent, force=True)

    def test_10_a_server_that_origo_did_not_make_is_neither_seen_nor_touched(
        self, driver: Hypervisor, stranger: str, spec: ServerSpec
    ) -> None:
        assert stranger not in driver.list()
        assert stranger not in driver.stats()
        with pytest.raises(NotFound):
            driver.stop(stranger, force=True)
        driver.undefine(stranger)
        with pytest.raises(Conflict):
            driver.define(replace(spec, id=stranger))

    def test_11_every_change_of_state_is_told_in_order(self, driver: Hypervisor, spec: ServerSpec) -> None:
        events: queue.SimpleQueue[StateEvent] = queue.SimpleQueue()
        watch = driver.watch(events.put)
        driver.define(spec)
        driver.start(spec.id)
        driver.suspend(spec.id)
        driver.resume(spec.id)
        driver.stop(spec.id, force=True)
        told = [Power.STOPPED]
        while told[-1] is not Power.STOPPED or len(told) == 1:
            event = events.get(timeout=SECONDS)
            if event.id == spec.id and event.state is not told[-1]:
                told.append(event.state)
        watch.close()
        watch.close()
        assert told[1:] == [Power.RUNNING, Power.SUSPENDED, Power.RUNNING, Power.STOPPED]

    def test_12_a_guest_that_shuts_down_by_itself_is_told_from_one_that_is_powered_off(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        events: queue.SimpleQueue[StateEvent] = queue.SimpleQueue()
        watch = driver.watch(events.put)
        driver.define(spec)
        reasons = []
        for force in (False, True):
            driver.start(spec.id)
            self.booted(driver, spec.id)
            driver.stop(spec.id, force=force)
            assert wait_for(lambda: driver.state(spec.id) is Power.STOPPED)
            event = events.get(timeout=SECONDS)
            while event.state is not Power.STOPPED:
                event = events.get(timeout=SECONDS)
            reasons.append(event.reason)
        watch.close()
        assert reasons == ["shutdown", ""]

    def test_13_usage_is_of_running_servers_only(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        assert spec.id not in driver.stats()
        driver.start(spec.id)
        assert spec.id in driver.stats()

    def test_14_facts_name_a_format_that_servers_start_from(self, driver: Hypervisor, disk: DiskSpec) -> None:
        facts = driver.info()
        assert disk.format in facts.formats
        assert facts.title
        assert not [lack for lack in driver.check() if lack.fatal]

    def booted(self, driver: Hypervisor, id: str) -> None:
        """Return when the guest obeys the power button; at once, unless the driver under test has real guests."""
