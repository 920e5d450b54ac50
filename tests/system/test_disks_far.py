"""Images where it is tight or far: a pool that runs full, and the same work on a distant machine."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from origo import disks
from origo.errors import NoRoom, Unavailable
from origo.host import Host, LocalHost
from origo.testing.second_machine import SecondMachine

pytestmark = [pytest.mark.needs("ssh"), pytest.mark.timeout(120)]

MIB = 1 << 20


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondMachine]:
    with SecondMachine(tmp_path_factory.mktemp("second")) as second:
        yield second


@pytest.fixture(params=["here", "there"])
def host(request: pytest.FixtureRequest, machine: SecondMachine) -> Host:
    return LocalHost() if request.param == "here" else machine.host()


@pytest.fixture
def pool(host: Host) -> Iterator[str]:
    """A folder of that machine with room for 24 MiB."""
    folder = "/run/small"
    host.make_folder(folder)
    host.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder])
    yield folder
    host.run(["umount", folder])


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """An image with 48 MiB of data, on a file system that both machines see."""
    path = tmp_path / "full.qcow2"
    disks.create(LocalHost(), str(path), 64 * MIB)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 5 0 48M", str(path)], check=True, capture_output=True)
    path.chmod(0o644)
    return path


def imports(host: Host, source: str, target: str) -> None:
    facts = disks.examine(host, source, user="nobody", room_bytes=1 << 40)
    disks.import_file(host, source, target, facts=facts, user="nobody")


def copies(host: Host, source: str, target: str) -> None:
    disks.convert(host, source, "qcow2", target, "qcow2")


@pytest.mark.parametrize("act", [imports, copies])
def test_a_pool_that_runs_full_is_told_and_the_work_can_be_done_again(
    host: Host, pool: str, full: Path, act: Callable[[Host, str, str], None]
) -> None:
    target = f"{pool}/image.qcow2"
    for _ in range(2):
        with pytest.raises(NoRoom, match=r"^cannot \w+ image full.qcow2: there is no room left"):
            act(host, str(full), target)
    host.run(["mount", "-o", "remount,size=100m", pool])
    act(host, str(full), target)
    assert disks.inspect(host, target).size_bytes == 64 * MIB


def test_a_child_that_no_longer_fits_is_told(host: Host, pool: str, full: Path) -> None:
    host.run(["dd", "if=/dev/zero", f"of={pool}/ballast", "bs=4k"], check=False)
    with pytest.raises(NoRoom):
        disks.create_child(host, f"{pool}/child.qcow2", str(full))
    host.remove(f"{pool}/ballast")
    disks.create_child(host, f"{pool}/child.qcow2", str(full))
    assert disks.inspect(host, f"{pool}/child.qcow2").backing == str(full)


def test_a_master_a_child_and_a_copy_are_made_on_a_distant_machine(machine: SecondMachine, tmp_path: Path) -> None:
    host = machine.host()
    master, child, copy = (str(tmp_path / name) for name in ("master.qcow2", "child.qcow2", "copy.raw"))
    disks.create(host, master, 8 * MIB)
    disks.create_child(host, child, master)
    disks.grow(host, child, "qcow2", 16 * MIB)
    disks.convert(host, child, "qcow2", copy, "raw", backing=master)
    disks.flatten(host, child, backing=master)
    assert disks.inspect(host, child).backing is None
    assert disks.check(host, child).corruptions == 0
    assert Path(copy).stat().st_size == 16 * MIB


def test_without_the_sandbox_nothing_is_imported(full: Path, tmp_path: Path) -> None:
    here = LocalHost()
    bwrap = shutil.which("bwrap")
    here.run(["mount", "--bind", "/dev/null", str(bwrap)])
    try:
        with pytest.raises(Unavailable, match="^cannot import image full.qcow2: the sandbox"):
            imports(here, str(full), str(tmp_path / "target"))
    finally:
        here.run(["umount", str(bwrap)])
