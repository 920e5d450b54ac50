"""A ZFS (zfs-fuse) that runs for the tests, and pools on it that are gone afterwards."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from origo_plugins.storage_zfs.driver import ZfsStorage

from origo.contracts import PoolSpec
from origo.host import Host, Job, LocalHost, job
from origo.testing.second_machine import SecondMachine
from origo.testing.storage_suite import Make

GROUP = f"zfs-fuse-{os.getpid()}"


def start_zfs(host: Host) -> None:
    """Let zfs-fuse run on that machine; a first start may fail."""
    with job(Job(GROUP)):
        for _ in range(3):
            host.run(["sh", "-c", "setsid zfs-fuse --no-daemon >/dev/null 2>&1 </dev/null &"])
            for _ in range(50):
                if host.run(["zpool", "list"], check=False).code == 0:
                    return
                time.sleep(0.1)
    raise AssertionError("zfs-fuse does not start")


@pytest.fixture(scope="module")
def here() -> Iterator[Host]:
    host = LocalHost()
    start_zfs(host)
    yield host
    host.end(GROUP)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with SecondMachine(tmp_path_factory.mktemp("second")) as second:
        host = second.host()
        start_zfs(host)
        yield host
        host.end(GROUP)


def destroyed(host: Host, name: str) -> None:
    """Files that were closed keep a pool busy for a moment."""
    for _ in range(50):
        result = host.run(["zpool", "destroy", "-f", name], check=False)
        if not result.code:
            return
        time.sleep(0.2)
    raise AssertionError(result.err)


def cleared(host: Host, folder: Path) -> None:
    """Remove every ZFS pool and all that a test made."""
    for name in host.run(["zpool", "list", "-H", "-o", "name"]).text.split("\n"):
        if name.startswith("origo-"):
            destroyed(host, name)
    shutil.rmtree(folder)


@pytest.fixture
def host(here: Host) -> Host:
    return here


@pytest.fixture
def make(host: Host) -> Make:
    return lambda: ZfsStorage(host, {})


@pytest.fixture
def pool(host: Host, tmp_path: Path) -> Iterator[PoolSpec]:
    folder = tmp_path / "zfs"
    folder.mkdir()
    yield PoolSpec(7, "cellar", str(folder / "pool"), {"file": str(folder / "vdev"), "size": "128M"})
    cleared(host, folder)
