"""Guests' agents, asked by a real libvirtd: those that obey, and those that a hostile guest would run."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import kvm_lab
import pytest
from kvm_lab import Lab
from origo_plugins.hypervisor_kvm import agents, parse
from origo_plugins.hypervisor_kvm.driver import KvmHypervisor

from origo import disks
from origo.contracts import DiskSpec, Power, ServerSpec
from origo.host import LocalHost
from origo.services.catalog import build, recipe_read, seed
from origo.testing import tiny_guest
from origo.testing.consoles_suite import read_until
from origo.testing.hypervisor_suite import wait_for

GUEST = Path(__file__).parent / "guest"
CACHE = os.environ.get("ORIGO_CACHE", "/var/cache/origo")
SECONDS = 90
"""Emulated, on a machine that others use too."""

Boot = Callable[..., list[str]]

pytestmark = [pytest.mark.needs("libvirt"), pytest.mark.needs("slirp4netns"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with kvm_lab.opened() as one:
        yield one


@pytest.fixture(scope="module")
def master(lab: Lab) -> Path:
    recipe = recipe_read.read(GUEST)
    (built,) = build.masters(recipe, GUEST)
    path = lab.folder / "agent.qcow2"
    build.build_master(
        LocalHost(),
        recipe,
        GUEST,
        built,
        work_folder=str(lab.folder / "work"),
        target_path=str(path),
        cache_folder=CACHE,
        log=lambda line: None,
    )
    path.chmod(0o444)
    return path


@pytest.fixture
def driver(lab: Lab) -> Iterator[KvmHypervisor]:
    driver = lab.driver()
    yield driver
    driver.close()
    clearing = lab.driver()
    for id in clearing.list():
        clearing.stop(id, force=True)
        clearing.undefine(id)
    clearing.close()


@pytest.fixture
def boot(lab: Lab, master: Path, driver: KvmHypervisor) -> Boot:
    """Start guests, each by what its agent is and whether it hears the button; their ids once all agents are there."""

    def boot(*guests: str) -> list[str]:
        specs = [spec(lab.folder, master, *guest.split()) for guest in guests]
        for one in specs:
            driver.define(one)
            driver.start(one.id)
        assert wait_for(lambda: all(parse.agent_listens(kvm_lab.virsh("dumpxml", one.id)) for one in specs), SECONDS)
        return [one.id for one in specs]

    return boot


def spec(folder: Path, master: Path, agent: str, button: str) -> ServerSpec:
    id = str(uuid.uuid4())
    system, medium = folder / f"{id}.qcow2", folder / f"{id}.iso"
    disks.create_child(LocalHost(), str(system), str(master), size_bytes=64 << 20)
    medium.write_bytes(seed.image(seed.Seed(id, "guest", "guest", "guest", {"agent": agent, "button": button})))
    both = (
        DiskSpec(str(system), "qcow2", backing=((str(master), "qcow2"),)),
        DiskSpec(str(medium), "raw", read_only=True, serial=seed.SERIAL),
    )
    return ServerSpec(id, f"{agent}-{button}", memory_mb=96, cpus=1, disks=both)


def is_off(driver: KvmHypervisor, id: str) -> bool:
    return driver.state(id) is Power.STOPPED


def asking() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == agents.THREAD]


def test_a_guest_that_is_deaf_for_the_power_button_is_shut_down_by_its_agent(driver: KvmHypervisor, boot: Boot) -> None:
    (id,) = boot("obeys deaf")
    driver.stop(id, force=False)
    assert wait_for(lambda: is_off(driver, id), SECONDS)
    assert driver.reason(id) == "shutdown"
    driver.stop(id, force=False)


def test_agents_that_keep_silent_or_lie_hold_up_neither_the_caller_nor_any_shutdown(
    driver: KvmHypervisor, boot: Boot, lab: Lab
) -> None:
    hearing = boot("babbles hears", "refuses hears", "lies hears", "mute hears", "silent hears")
    hostile = boot(*["silent deaf"] * agents.AT_ONCE)
    behind = boot("obeys deaf")
    for id in (*hearing, *hostile, *behind):
        driver.stop(id, force=False)
    assert len(asking()) > agents.AT_ONCE, "nobody has waited for the first, which libvirt gives five seconds"
    other = tiny(lab.folder)
    driver.define(other)
    driver.start(other.id)
    assert wait_for(lambda: all(is_off(driver, id) for id in (*hearing, *behind)), SECONDS)
    assert {driver.state(id) for id in (*hostile, other.id)} == {Power.RUNNING}


def test_a_guest_that_was_started_again_meanwhile_is_left_alone(driver: KvmHypervisor, boot: Boot, lab: Lab) -> None:
    (id,) = boot("lies deaf")
    line = driver.serial(id)
    driver.stop(id, force=False)
    assert b"it lied" in read_until(line, b"it lied")
    driver.stop(id, force=True)
    driver.define(replace(tiny(lab.folder), id=id))
    driver.start(id)
    kvm_lab.answers_on_its_line(driver, id)
    assert asking(), "its button would be pushed now"
    assert wait_for(lambda: not asking())
    kvm_lab.answers_on_its_line(driver, id)
    driver.stop(id, force=False)
    assert wait_for(lambda: is_off(driver, id)), "its button works"


def test_a_driver_that_is_closed_asks_no_more_and_another_does(driver: KvmHypervisor, boot: Boot, lab: Lab) -> None:
    (id,) = boot("silent hears")
    driver.stop(id, force=False)
    driver.close()
    assert not asking()
    other = lab.driver()
    assert other.state(id) is Power.RUNNING
    other.stop(id, force=False)
    assert wait_for(lambda: is_off(other, id), SECONDS)
    other.close()


def tiny(folder: Path) -> ServerSpec:
    """A server without an agent, whose guest hears the button from its first moment."""
    path = tiny_guest.write(folder / f"{uuid.uuid4()}.raw")
    return ServerSpec(str(uuid.uuid4()), "tiny", memory_mb=64, cpus=1, disks=(DiskSpec(str(path), "raw"),))
