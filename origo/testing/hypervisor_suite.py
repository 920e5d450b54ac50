"""What every Hypervisor must keep: subclass `HypervisorSuite`, give the fixtures, run pytest.

Numbers are those of the clauses in docs/reference/contract-hypervisor.md.
"""

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from origo.contracts import Confinement, DiskSpec, Hypervisor, Power, Reasons, ServerSpec, StateEvent
from origo.errors import Conflict, NoRoom, NotFound, Unsupported

SECONDS = 30
AT_ONCE = 6
Make = Callable[[], Hypervisor]
Disk = Callable[[str], DiskSpec]


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
    def disk_of(self) -> Disk:
        """Makes a disk of a format whose guest runs until it is told to stop, and obeys the power button.

        A qcow2 one is the child of a master where the hypervisor has `backing_files`.
        """
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> str:
        """The id of a running server on the host that Origo did not make; it must run still when the test is over."""
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
    def disk(self, driver: Hypervisor, disk_of: Disk) -> DiskSpec:
        """A disk of the format that this hypervisor likes best."""
        return disk_of(driver.info().formats[0])

    @pytest.fixture
    def spec(self, disk: DiskSpec) -> ServerSpec:
        """A small server."""
        return ServerSpec(str(uuid.uuid4()), "web1", memory_mb=64, cpus=1, disks=(disk,))

    def booted(self, driver: Hypervisor, id: str) -> None:
        """Return when the guest obeys the power button; at once, unless the driver under test has real guests."""

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
        text = driver.render(spec)
        assert spec.disks[0].path in text and spec.id in text
        assert driver.render(spec) == text
        assert not driver.list()

    def test_03_a_change_is_taken_and_does_not_disturb_a_running_server(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        driver.start(spec.id)
        changed = replace(spec, name='re<na>med & "ärger"', memory_mb=80)
        driver.define(changed)
        assert dict(driver.list()) == {spec.id: Power.RUNNING}
        driver.stop(spec.id, force=True)
        driver.start(spec.id)
        assert driver.state(spec.id) is Power.RUNNING

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
        with pytest.raises(Conflict, match="cannot undefine server"):
            driver.undefine(spec.id)
        driver.stop(spec.id, force=True)
        driver.undefine(spec.id)
        driver.undefine(spec.id)
        assert not driver.list()
        driver.define(spec)
        driver.start(spec.id)
        assert driver.state(spec.id) is Power.RUNNING, "its disk was kept"

    def test_06_starting_and_powering_off_twice_is_the_same_as_once(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        for _ in range(2):
            driver.start(spec.id)
            assert driver.state(spec.id) is Power.RUNNING
        for _ in range(2):
            driver.stop(spec.id, force=True)
            assert driver.state(spec.id) is Power.STOPPED
        driver.stop(spec.id, force=False)

    def test_07_a_suspended_server_stands_still_until_it_is_resumed(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        driver.start(spec.id)
        for _ in range(2):
            driver.suspend(spec.id)
            assert driver.state(spec.id) is Power.SUSPENDED
        assert dict(driver.list()) == {spec.id: Power.SUSPENDED}
        for _ in range(2):
            driver.resume(spec.id)
            assert driver.state(spec.id) is Power.RUNNING
        driver.reset(spec.id)
        assert driver.state(spec.id) is Power.RUNNING
        driver.suspend(spec.id)
        driver.stop(spec.id, force=True)
        assert driver.state(spec.id) is Power.STOPPED

    def test_08_what_needs_a_running_server_is_refused_for_a_stopped_one(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        for verb in (driver.suspend, driver.resume, driver.reset):
            with pytest.raises(Conflict, match="cannot"):
                verb(spec.id)

    def test_09_what_is_absent_is_not_found(self, driver: Hypervisor) -> None:
        absent = str(uuid.uuid4())
        for verb in (driver.state, driver.start, driver.suspend, driver.resume, driver.reset):
            with pytest.raises(NotFound):
                verb(absent)
        if isinstance(driver, Reasons):
            with pytest.raises(NotFound):
                driver.reason(absent)
        for force in (True, False):
            with pytest.raises(NotFound):
                driver.stop(absent, force=force)
        driver.undefine(absent)

    def test_10_a_server_that_origo_did_not_make_is_neither_seen_nor_touched(
        self, driver: Hypervisor, stranger: str, spec: ServerSpec
    ) -> None:
        assert stranger not in driver.list()
        assert stranger not in driver.stats()
        for verb in (driver.state, driver.start, driver.suspend, driver.resume, driver.reset):
            with pytest.raises(NotFound):
                verb(stranger)
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
            assert not isinstance(driver, Reasons) or driver.reason(spec.id) == event.reason
        watch.close()
        assert reasons == ["shutdown", ""]

    def test_13_usage_is_of_running_servers_only(self, driver: Hypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        assert spec.id not in driver.stats()
        driver.start(spec.id)
        assert spec.id in driver.stats()

    def test_14_nothing_fatal_is_lacking_and_a_missing_accelerator_is_explained(self, driver: Hypervisor) -> None:
        assert not [lack for lack in driver.check() if lack.fatal]
        facts = driver.info()
        assert facts.title and facts.version
        assert facts.accelerated or facts.notes.get("accelerator"), "a person must be told why guests are slow"
        assert not facts.snapshots, "pools have snapshots, hypervisors have not"

    def test_15_servers_start_from_every_format_named_and_from_no_other(
        self, driver: Hypervisor, spec: ServerSpec, disk_of: Disk
    ) -> None:
        facts = driver.info()
        for format in facts.formats:
            driver.define(replace(spec, disks=(disk_of(format),)))
            driver.start(spec.id)
            assert driver.state(spec.id) is Power.RUNNING
            driver.stop(spec.id, force=True)
        with pytest.raises(Unsupported, match="nosuchformat"):
            driver.define(replace(spec, disks=(replace(spec.disks[0], format="nosuchformat"),)))

    def test_16_a_child_starts_from_its_master_only_where_the_flag_says_so(
        self, driver: Hypervisor, spec: ServerSpec, disk_of: Disk
    ) -> None:
        child = disk_of("qcow2") if driver.info().backing_files else replace(spec.disks[0], backing=(("/m", "raw"),))
        assert child.backing
        if not driver.info().backing_files:
            with pytest.raises(Unsupported):
                driver.define(replace(spec, disks=(child,)))
            return
        driver.define(replace(spec, disks=(child,)))
        driver.start(spec.id)
        assert driver.state(spec.id) is Power.RUNNING

    def test_17_more_processors_than_there_can_be_and_an_unknown_way_to_boot_are_refused(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        most = driver.info().max_cpus
        if most:
            driver.define(replace(spec, cpus=most))
            with pytest.raises(Unsupported):
                driver.define(replace(spec, cpus=most + 1))
        with pytest.raises(Unsupported):
            driver.define(replace(spec, boot="tape"))

    def test_18_a_start_without_enough_memory_is_refused_with_the_servers_name(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        driver.define(replace(spec, name="giant", memory_mb=1 << 24))
        with pytest.raises(NoRoom, match="giant"):
            driver.start(spec.id)
        assert driver.state(spec.id) is Power.STOPPED

    def test_19_many_servers_start_at_once(self, driver: Hypervisor, spec: ServerSpec, disk_of: Disk) -> None:
        format = driver.info().formats[0]
        specs = [replace(spec, id=str(uuid.uuid4()), disks=(disk_of(format),)) for _ in range(AT_ONCE)]

        def run(one: ServerSpec) -> None:
            driver.define(one)
            driver.start(one.id)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(run, specs))
        assert dict(driver.list()) == {one.id: Power.RUNNING for one in specs}

    def test_20_whoever_closed_a_watch_is_told_nothing_and_others_still_are(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        told: list[str] = []
        heard = threading.Event()
        first = driver.watch(lambda event: told.append("first"))
        second = driver.watch(lambda event: told.append("second"))
        third = driver.watch(lambda event: heard.set() if event.state is Power.STOPPED else None)
        driver.define(spec)
        first.close()
        driver.start(spec.id)
        driver.stop(spec.id, force=True)
        assert heard.wait(SECONDS)
        second.close()
        third.close()
        assert set(told) == {"second"}

    def test_21_a_server_that_was_forgotten_gets_the_hardware_back_that_it_had(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        hardware = driver.define(spec)
        had = driver.render(spec)
        driver.undefine(spec.id)
        again = replace(spec, hardware=hardware)
        assert driver.define(again) == hardware
        assert driver.render(again) == had

    def test_22_what_is_missing_of_confinement_is_said_with_its_remedy(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        if not isinstance(driver, Confinement):
            return
        driver.define(spec)
        driver.start(spec.id)
        said = driver.unconfined()
        assert said == driver.unconfined() and (said is None or (said.sentence and said.remedy))
