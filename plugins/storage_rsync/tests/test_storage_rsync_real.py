"""Pools that are folders on disks that come, go and run full, and on a distant machine."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from origo_plugins.storage_rsync.driver import RsyncStorage

from origo.contracts import PoolSpec
from origo.errors import NotFound
from origo.host import Host, LocalHost
from origo.testing.full_pool_suite import FullPoolSuite
from origo.testing.second_machine import SecondMachine
from origo.testing.storage_suite import IMAGE, Make, StorageSuite, Vanish, put

pytestmark = [pytest.mark.needs("ssh"), pytest.mark.timeout(120)]

DISK = "/run/disk"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with SecondMachine(tmp_path_factory.mktemp("second")) as second:
        yield second.host()


@pytest.fixture(params=["here", "there"])
def host(request: pytest.FixtureRequest, there: Host) -> Host:
    return LocalHost() if request.param == "here" else there


@pytest.fixture
def disk(host: Host) -> Iterator[str]:
    """A disk of 48 MiB, mounted on that machine."""
    host.make_folder(DISK)
    host.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0711", "disk", DISK])
    yield DISK
    host.run(["umount", DISK])
    host.run(["rm", "-r", "--one-file-system", DISK])


class OnDisk:
    """What the suites need of a machine with a disk."""

    @pytest.fixture
    def make(self, host: Host) -> Make:
        return lambda: RsyncStorage(host, {})

    @pytest.fixture
    def pool(self, disk: str) -> PoolSpec:
        return PoolSpec(7, "cellar", f"{disk}/pool")


class TestRsyncStorageOnDisk(OnDisk, StorageSuite):
    KILL_EVERY = 3

    @pytest.fixture
    def vanish(self, host: Host) -> Vanish:
        """Takes the disk out, and puts it back."""

        @contextmanager
        def away() -> Iterator[None]:
            host.make_folder(f"{DISK}-shelf")
            host.run(["mount", "--move", DISK, f"{DISK}-shelf"])
            yield
            assert host.list(DISK) == [], "something was written below the mount point"
            host.run(["mount", "--move", f"{DISK}-shelf", DISK])
            host.remove(f"{DISK}-shelf")

        return away


class TestFullRsyncStorage(OnDisk, FullPoolSuite):
    pass


def test_a_pool_at_a_mount_point_leaves_the_folder_to_it(host: Host, disk: str) -> None:
    storage, pool = RsyncStorage(host, {}), PoolSpec(7, "cellar", disk)
    storage.create(pool)
    for _ in range(2):
        storage.destroy(pool)
    assert host.list(disk) == []


def test_a_copy_of_the_marker_below_the_mount_point_is_no_pool(host: Host, disk: str) -> None:
    storage, pool = RsyncStorage(host, {}), PoolSpec(7, "cellar", f"{disk}/pool")
    storage.create(pool)
    put(storage, pool, IMAGE)
    host.run(["cp", "-r", f"{disk}/pool", "/run/copy"])
    host.run(["umount", disk])
    host.run(["mv", "/run/copy", f"{disk}/pool"])
    usage = storage.usage(pool)
    assert (usage.health, usage.free_bytes) == ("failed", 0)
    assert f"{disk} is not mounted" in usage.sentence
    with pytest.raises(NotFound, match="is not mounted"):
        storage.open(pool)
    host.run(["mount", "-t", "tmpfs", "tmpfs", disk])


def test_guests_processes_reach_an_image_by_name_and_others_see_nothing() -> None:
    """A process of somebody who is not root, in a pool that he may only pass through."""
    host, pool = LocalHost(), PoolSpec(7, "cellar", "/run/guests")
    storage = RsyncStorage(host, {})
    storage.create(pool)
    path = put(storage, pool, IMAGE)
    host.protect(path, mode=0o600, user="nobody")

    def may(*argv: str) -> bool:
        return subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", *argv], check=False).returncode == 0

    assert may("head", "-c1", path)
    assert not any(may("ls", f"{pool.path}/{area}") for area in ("", "images", "masters", "trash", "engine"))
    storage.move(pool, IMAGE, type(IMAGE)("trash", IMAGE.name))
    assert not may("head", "-c1", f"{pool.path}/trash/{IMAGE.name}")
    assert Path(pool.path, "trash", IMAGE.name).exists()
