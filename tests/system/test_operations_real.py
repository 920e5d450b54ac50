"""Six kinds of operations on real libvirt, QEMU, bridges, rules, dnsmasq and disks: killed, continued, compared."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from origo_plugins.hypervisor_kvm.accelerator import BOOT_SECTOR

from origo import model
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.services import networks, pools
from origo.services.access import SYSTEM
from origo.services.catalog import descriptor
from origo.services.catalog.descriptor import Descriptor, MasterFile, Member
from origo.services.images import operations as images
from origo.services.servers import operations as servers
from origo.services.stacks import operations as stacks
from origo.testing import forks, matrix
from origo.testing.proof import Scenario, prove
from tests.functional.kinds import MINE, SIZE, image, run, server, wanted_server, wanted_stack
from tests.functional.scenarios import BURNT
from tests.system.real_world import Machine

pytestmark = [pytest.mark.needs("libvirt"), pytest.mark.needs("iptables"), pytest.mark.timeout(900)]

PAGE = Path(__file__).parents[2] / "docs/reference/operations-real.md"
SECONDS = 60
LOOSE = frozenset({"network/*/pid", "pools/0/images/*-seed.iso"})
"""What may differ in its content: the number of a process, and the time at which a medium was made."""


def a_master(core: Core) -> None:
    """A master whose guest halts as soon as it runs."""
    run(core, images.CreateImage(), name="disk", owner=SYSTEM.id, pool=0, size_bytes=SIZE)
    path = pools.path(core, model.Image.get_by_id(image()))
    raw = Path(core.config.path("incoming", "sector"))
    raw.write_bytes(BOOT_SECTOR)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {raw} 0 512", path], check=True)
    raw.unlink()
    run(core, images.MakeMaster(), image=image(), owner=SYSTEM.id)


def a_server(core: Core) -> None:
    a_master(core)
    run(core, servers.CreateServer(), **wanted())


def a_stopped_server(core: Core) -> None:
    a_server(core)
    run(core, servers.PowerOffServer(), server=server(), owner=SYSTEM.id)
    networks.apply_all(core)  # as is done when a server has stopped


def an_entry(core: Core) -> None:
    """An entry of the catalog with one server, as a build leaves it."""
    a_master(core)
    member = Member("one", count=1, memory_mb=64, cpus=1, order=0, system_bytes=SIZE)
    file = MasterFile("system", ("one",), "e" * 64, "0" * 64, 1000, SIZE)
    described = Descriptor(1, "tiny", "1", "Tiny", "d" * 64, (member,), (file,))
    row = model.CatalogStack.create(
        name="tiny", version="1", title="Tiny", digest="d" * 64, descriptor=descriptor.write(described), state="ready"
    )
    model.CatalogMaster.create(entry=row, member="one", role="system", image=image())


def wanted() -> dict[str, Any]:
    """A server with one disk, started."""
    one = wanted_server()
    return one | {"disks": one["disks"][:1]}


Case = tuple[type[Operation], Callable[[Core], object], Callable[[], dict[str, Any]]]

CASES: Sequence[Case] = (
    (images.CloneImage, a_master, lambda: {"master": image(), "name": "child", "size_bytes": None, **MINE}),
    (servers.CreateServer, a_master, wanted),
    (servers.StartServer, a_stopped_server, lambda: {"server": server(), **MINE}),
    (servers.PowerOffServer, a_server, lambda: {"server": server(), **MINE}),
    (servers.DeleteServer, a_server, lambda: {"server": server(), **MINE}),
    (stacks.InstallStack, an_entry, wanted_stack),
)


def scenario(case: Case, machine: Machine) -> Scenario:
    """One kind, put to the proof on this machine."""
    kind, want, args = case

    def prepare(folder: Path) -> None:
        core = machine.open(folder)
        Path(core.config.path("network")).mkdir()
        core.operations.start()
        want(core)
        core.operations.stop()

    return Scenario(
        kind.kind,
        prepare,
        lambda folder: machine.open(folder).operations,
        lambda folder, engine, plan: engine.submit(kind(), args(), by=SYSTEM.id, plan=plan),
        ignore=BURNT,
        loose=LOOSE,
        outside=machine,
        seconds=SECONDS,
    )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where QEMU's own user can pass."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="operations-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    one = Machine(folder / "services")
    yield one
    forks.run(one.end)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].kind)
def test_killed_at_real_work_all_or_nothing_of_it_is_left(case: Case, folder: Path, machine: Machine) -> None:
    proof = prove(scenario(case, machine), folder / case[0].kind)
    section = matrix.section(proof, matrix.REAL_COLUMNS)
    assert matrix.sections(PAGE.read_text()).get(proof.title) == section, f"{PAGE} is old: make it again (--regen)"


def regenerate(kinds: Sequence[str]) -> None:
    """Write the page again: the sections of these kinds, or all."""
    sections = matrix.sections(PAGE.read_text()) if kinds and PAGE.exists() else {}
    with tempfile.TemporaryDirectory(dir="/run", prefix="operations-") as name:
        Path(name).chmod(0o711)
        machine = Machine(Path(name, "services"))
        try:
            for case in CASES:
                if not kinds or case[0].kind in kinds:
                    proof = prove(scenario(case, machine), Path(name, case[0].kind))
                    sections[proof.title] = matrix.section(proof, matrix.REAL_COLUMNS)
                    print(proof.title, len(proof.trials), flush=True)
        finally:
            forks.run(machine.end)
    PAGE.write_text(matrix.page(sections, matrix.REAL_HEAD))


if __name__ == "__main__":
    if sys.argv[1:2] != ["--regen"]:
        sys.exit("usage: test_operations_real.py --regen [KIND…]")
    regenerate(sys.argv[2:])
