"""hypervisor_kvm on a real libvirtd with guests that really run.

Numbers are those of the clauses in docs/reference/contract-hypervisor.md.
"""

import hashlib
import os
import queue
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import kvm_lab
import pytest
from kvm_lab import Lab, virsh
from origo_plugins.hypervisor_kvm import accelerator, confinement, domain_xml
from origo_plugins.hypervisor_kvm.driver import KvmHypervisor

from origo.contracts import DiskSpec, Hypervisor, NicSpec, Power, ServerSpec, StateEvent
from origo.errors import OrigoError, Unavailable
from origo.host import LocalHost
from origo.testing import tiny_guest
from origo.testing.consoles_suite import ConsolesSuite
from origo.testing.hypervisor_suite import Disk, HypervisorSuite, Make, wait_for

pytestmark = [pytest.mark.needs("libvirt"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with kvm_lab.opened() as one:
        yield one


class Real:
    """What the suites ask for, on the lab's daemon."""

    @pytest.fixture
    def make(self, lab: Lab) -> Iterator[Make]:
        made: list[KvmHypervisor] = []

        def make_one() -> KvmHypervisor:
            made.append(lab.driver())
            return made[-1]

        yield make_one
        for one in made:
            one.close()

    @pytest.fixture
    def disk_of(self, lab: Lab) -> Iterator[Disk]:
        yield from kvm_lab.disk_maker(lab.folder)

    @pytest.fixture
    def stranger(self, lab: Lab) -> Iterator[str]:
        yield from kvm_lab.strange_server(lab.folder)

    def booted(self, driver: Hypervisor, id: str) -> None:
        kvm_lab.answers_on_its_line(driver, id)


class TestKvmHypervisor(Real, HypervisorSuite):
    """Every clause."""


class TestKvmConsoles(Real, ConsolesSuite):
    """Every clause."""

    driver = HypervisorSuite.driver
    disk = HypervisorSuite.disk
    spec = HypervisorSuite.spec


def fingerprint(path: str) -> tuple[int, int, bytes]:
    """Owner, mode and digest of a file."""
    facts = Path(path).stat()
    return facts.st_uid, facts.st_mode, hashlib.sha256(Path(path).read_bytes()).digest()


class TestKvmItself(Real):
    """What this driver promises beyond the contract."""

    driver = HypervisorSuite.driver
    disk = HypervisorSuite.disk
    spec = HypervisorSuite.spec

    def test_a_master_keeps_owner_mode_and_content_when_its_child_starts(
        self, driver: KvmHypervisor, spec: ServerSpec
    ) -> None:
        master = spec.disks[0].backing[0][0]
        before = fingerprint(master)
        driver.define(spec)
        driver.start(spec.id)
        assert Path(spec.disks[0].path).stat().st_uid != 0, "the child is the guest's"
        assert fingerprint(master) == before
        driver.stop(spec.id, force=True)
        assert fingerprint(master) == before

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_servers_outlive_libvirtd_and_the_driver_finds_them_again(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec, number: signal.Signals
    ) -> None:
        events: queue.SimpleQueue[StateEvent] = queue.SimpleQueue()
        watch = driver.watch(events.put)
        driver.define(spec)
        driver.start(spec.id)
        before = lab.supervisor.states()["libvirtd"].pid
        os.kill(before, number)
        assert wait_for(lambda: lab.supervisor.states()["libvirtd"].pid not in (before, 0, None))
        assert wait_for(lambda: answers(driver, spec.id))
        seen = [events.get(timeout=30)]
        while seen[-1].id:
            seen.append(events.get(timeout=30))
        driver.stop(spec.id, force=True)
        # libvirt itself may have left it untold; then the driver says that all states are to be asked for.
        assert wait_for(lambda: drain(events, seen) in (StateEvent(spec.id, Power.STOPPED), StateEvent(""))), seen
        watch.close()

    def test_a_call_made_while_libvirtd_restarts_waits_for_it(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        service = lab.supervisor.states()["libvirtd"]
        os.kill(service.pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{service.pid}/exe").exists(), 10)
        assert driver.state(spec.id) is Power.STOPPED
        driver.start(spec.id)
        assert driver.state(spec.id) is Power.RUNNING

    def test_a_start_that_another_has_begun_is_waited_for(
        self, driver: KvmHypervisor, make: Make, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        domain = domain_xml.name(spec.id)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(driver.start, spec.id)
            wait_for(lambda: virsh("domstate", domain).strip() != "shut off" or other.done())
            make().start(spec.id)
            assert virsh("domstate", domain).strip() == "running"
            other.result(timeout=60)

    def test_a_server_whose_process_was_killed_is_stopped_and_the_reason_is_told(
        self, driver: KvmHypervisor, spec: ServerSpec
    ) -> None:
        events: queue.SimpleQueue[StateEvent] = queue.SimpleQueue()
        watch = driver.watch(events.put)
        driver.define(spec)
        driver.start(spec.id)
        pid = int(Path(f"/run/libvirt/qemu/{domain_xml.name(spec.id)}.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        event = events.get(timeout=30)
        while event.state is not Power.STOPPED:
            event = events.get(timeout=30)
        watch.close()
        assert event == StateEvent(spec.id, Power.STOPPED, "crashed")
        assert driver.state(spec.id) is Power.STOPPED
        driver.start(spec.id)
        assert driver.state(spec.id) is Power.RUNNING

    def test_a_domain_with_a_name_like_ours_but_another_id_is_a_stranger(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec
    ) -> None:
        for id in kvm_lab.strange_server(lab.folder, domain_xml.name(spec.id)):
            assert not driver.list()
            driver.undefine(id)
            with pytest.raises(OrigoError, match=f"cannot define server {spec.name}"):
                driver.define(spec)

    def test_a_server_keeps_its_machine_type_when_it_is_changed(self, driver: KvmHypervisor, spec: ServerSpec) -> None:
        xml = driver.render(spec)
        assert 'machine="pc-q35-' in xml
        older = virsh_define_with_older_machine(xml, spec)
        hardware = driver.define(replace(spec, memory_mb=96))
        assert f'machine="{older}"' in driver.render(spec)
        driver.undefine(spec.id)
        driver.define(replace(spec, hardware=hardware))
        assert f'machine="{older}"' in driver.render(spec), "even when libvirt had forgotten it"

    def test_libvirt_takes_the_definition_as_valid_and_keeps_all_of_it(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec
    ) -> None:
        file = lab.folder / "valid.xml"
        file.write_text(driver.render(spec))
        virsh("define", "--validate", str(file))
        kept = virsh("dumpxml", spec.id)
        for part in ("urn:origo:server:1", "/dev/urandom", "org.qemu.guest_agent.0", "<stats period='10'/>"):
            assert part in kept

    def test_the_accelerator_is_chosen_by_running_a_guest_on_it_and_the_reason_is_said(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec
    ) -> None:
        facts = driver.info()
        said = facts.notes["accelerator"]
        assert said.startswith("guests run on KVM" if facts.accelerated else "guests are emulated")
        assert f'type="{"kvm" if facts.accelerated else "qemu"}"' in driver.render(spec)
        assert [lack.sentence for lack in driver.check()] == ([] if facts.accelerated else [said])
        assert said in (lab.folder / "state" / "accelerator.json").read_text()

    def test_the_process_of_a_server_is_found_where_its_confinement_is_looked_at(
        self, driver: KvmHypervisor, spec: ServerSpec
    ) -> None:
        driver.define(spec)
        driver.start(spec.id)
        number = Path(confinement.PROCESSES, f"origo-{spec.id}.pid").read_text().strip()
        assert f"-uuid\0{spec.id}\0" in Path(f"/proc/{number}/cmdline").read_text()

    def test_the_trial_guest_proves_that_it_ran(self, lab: Lab) -> None:
        image = accelerator.write_image(LocalHost(), str(lab.folder))
        ended = LocalHost().run(accelerator.trial(image, "tcg"), check=False, timeout=60, user=accelerator.USER)
        assert ended.code == accelerator.EXITED
        Path(image).write_bytes(tiny_guest.image(tiny_guest.HALT))
        assert LocalHost().run(accelerator.trial(image, "tcg"), check=False, timeout=60).code == 0

    def test_what_was_found_out_is_remembered_until_the_boot_or_qemu_changes(self, lab: Lab) -> None:
        path = lab.folder / "state" / "accelerator.json"
        lab.driver().info()
        found = path.read_text()
        path.write_text(found.replace("guests ", "indeed guests ", 1))
        assert lab.driver().info().notes["accelerator"].startswith("indeed guests ")
        path.write_text(path.read_text().replace('"boot": "', '"boot": "x'))
        assert lab.driver().info().notes["accelerator"].startswith("guests ")
        path.write_text("{")
        assert lab.driver().info().notes["accelerator"].startswith("guests ")

    def test_an_accelerator_can_be_chosen_by_hand(self, lab: Lab, spec: ServerSpec) -> None:
        assert 'type="kvm"' in lab.driver(accelerator="kvm").render(spec)
        emulated = lab.driver(accelerator="emulation")
        assert 'type="qemu"' in emulated.render(spec)
        assert emulated.check() == []

    def test_a_server_that_was_defined_for_another_accelerator_starts_with_the_one_that_works(
        self, driver: KvmHypervisor, lab: Lab, spec: ServerSpec
    ) -> None:
        works = driver.info().accelerated
        lab.driver(accelerator="emulation" if works else "kvm").define(spec)
        driver.start(spec.id)
        assert f"<domain type='{'kvm' if works else 'qemu'}'" in virsh("dumpxml", spec.id)
        kvm_lab.answers_on_its_line(driver, spec.id)

    def test_a_missing_disk_or_bridge_is_said_with_its_name(self, driver: KvmHypervisor, spec: ServerSpec) -> None:
        driver.define(replace(spec, disks=(DiskSpec("/nowhere/disk.qcow2", "qcow2"),)))
        with pytest.raises(OrigoError, match="cannot start server web1: .*/nowhere/disk.qcow2"):
            driver.start(spec.id)
        driver.define(replace(spec, nics=(NicSpec("52:54:00:00:00:01", "nobridge", "otap"),)))
        with pytest.raises(OrigoError, match="cannot start server web1: .*nobridge"):
            driver.start(spec.id)
        assert driver.state(spec.id) is Power.STOPPED

    def test_cards_are_on_their_bridges_through_the_taps_that_were_named(
        self, driver: KvmHypervisor, spec: ServerSpec, bridge: str
    ) -> None:
        driver.define(replace(spec, nics=(NicSpec("52:54:00:00:00:01", bridge, "o-tap-1"),)))
        driver.start(spec.id)
        assert Path("/sys/class/net/o-tap-1/master").resolve().name == bridge
        assert driver.stats()[spec.id].memory_bytes > 1 << 20
        driver.stop(spec.id, force=True)
        assert not Path("/sys/class/net/o-tap-1").exists()

    @pytest.fixture
    def bridge(self, driver: KvmHypervisor) -> Iterator[str]:
        driver.host.run(["ip", "link", "add", "o-test", "type", "bridge"])
        yield "o-test"
        driver.host.run(["ip", "link", "delete", "o-test"])

    def test_the_screen_answers(self, driver: KvmHypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        driver.start(spec.id)
        with socket.create_connection(driver.screen(spec.id), timeout=10) as screen:
            assert screen.recv(12).startswith(b"RFB 003.")

    def test_questions_are_answered_while_many_servers_start(
        self, driver: KvmHypervisor, spec: ServerSpec, disk_of: Disk
    ) -> None:
        specs = [replace(spec, id=str(uuid.uuid4()), disks=(disk_of("raw"),)) for _ in range(10)]
        for one in specs:
            driver.define(one)
        with ThreadPoolExecutor(len(specs)) as threads:
            starting = [threads.submit(driver.start, one.id) for one in specs]
            slowest = 0.0
            while not all(one.done() for one in starting):
                began = time.monotonic()
                assert len(driver.list()) == len(specs)
                slowest = max(slowest, time.monotonic() - began)
            for one in starting:
                one.result()
        assert slowest < 2


class TestKvmWithoutItsDaemon:
    """What is said when libvirt does not answer."""

    def test_a_daemon_that_is_not_there_is_said_at_once(self, lab: Lab) -> None:
        driver = lab.driver(uri="qemu+unix:///system?socket=/nowhere")
        began = time.monotonic()
        with pytest.raises(Unavailable, match="cannot reach libvirt at qemu"):
            driver.list()
        assert time.monotonic() - began < 2
        assert [lack.fatal for lack in driver.check()] == [True]
        driver.watch(lambda event: None).close()
        driver.close()


def drain(events: "queue.SimpleQueue[StateEvent]", seen: list[StateEvent]) -> StateEvent | None:
    """The next event, kept in `seen`; None while there is none."""
    if events.empty():
        return None
    seen.append(events.get())
    return seen[-1]


def answers(driver: KvmHypervisor, id: str) -> bool:
    """Whether the server is seen to run."""
    try:
        return driver.state(id) is Power.RUNNING
    except Unavailable:
        return False


def virsh_define_with_older_machine(xml: str, spec: ServerSpec) -> str:
    """Define it as an older QEMU would have; the older machine type."""
    older = "pc-q35-6.2"
    head, _, rest = xml.partition('machine="')
    file = Path(spec.disks[0].path).with_suffix(".xml")
    file.write_text(head + f'machine="{older}"' + rest.partition('"')[2])
    virsh("define", str(file))
    file.unlink()
    return older
