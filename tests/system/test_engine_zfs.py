"""What a pool on ZFS promises through the whole engine: made, filled, run from, found again after a reboot, emptied."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_world import EngineWorld, wait_for

pytestmark = [
    pytest.mark.needs("libvirt"),
    pytest.mark.needs("zfs"),
    pytest.mark.needs("iptables"),
    pytest.mark.needs("nginx"),
    pytest.mark.timeout(300),
]


@contextmanager
def zfs() -> Iterator[None]:
    """ZFS in a process, without a kernel module."""
    with subprocess.Popen(["zfs-fuse", "--no-daemon"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        wait_for(lambda: subprocess.run(["zpool", "list"], capture_output=True, check=False).returncode == 0, 10)
        yield
        daemon.kill()


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorld]:
    """An engine with the pool `cellar`, which is a ZFS pool in a file."""
    with zfs(), tempfile.TemporaryDirectory(dir="/var/tmp", prefix="zfs-") as folder:
        world = EngineWorld(Path(folder))
        world.start()
        options = ["--option", f"file={folder}/vdev", "--option", "size=128M"]
        world.json("pools", "create", "cellar", "--driver", "storage_zfs", *options)
        made = name(world)
        yield world
        world.close()
        in_time("destroy", made)


def name(engine: EngineWorld) -> str:
    return f"origo-{engine.json('pools', 'show', 'cellar')['id']}"


def zpool(*words: str) -> str:
    return subprocess.run(["zpool", *words], capture_output=True, text=True, check=True).stdout.strip()


def in_time(verb: str, pool: str) -> None:
    """Put a pool away, or remove it: files that were just closed keep it busy for a moment."""
    wait_for(lambda: subprocess.run(["zpool", verb, pool], capture_output=True, check=False).returncode == 0, 10)


def files(engine: EngineWorld) -> list[str]:
    """What lies in the pool."""
    pool = Path(engine.json("pools", "show", "cellar")["path"])
    return sorted(path.name for area in ("images", "masters", "trash") for path in (pool / area).iterdir())


def test_the_pool_is_a_healthy_zfs_pool(engine: EngineWorld) -> None:
    shown = engine.json("pools", "show", "cellar")
    assert (shown["driver"], shown["health"], shown["state"]) == ("storage_zfs", "ok", "ready")
    assert zpool("list", "-H", "-o", "health", name(engine)) == "ONLINE"
    assert 64 << 20 < shown["free_bytes"] <= shown["total_bytes"] < 128 << 20


def test_a_server_runs_from_an_imported_disk_s_child_and_all_is_purged(engine: EngineWorld, tmp_path: Path) -> None:
    source = tmp_path / "disk.raw"
    source.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(4 << 20) + b"\0" * 512)
    free = engine.json("pools", "show", "cellar")["free_bytes"]
    engine.json("images", "import", "base", str(source), "--pool", "cellar")
    engine.json("images", "master", "base")
    engine.json("images", "clone", "base", "spare")
    engine.json("servers", "create", "vault", "--memory", "64M", "--master", "base")
    path = Path(engine.json("pools", "show", "cellar")["path"])
    domain = subprocess.run(["virsh", "-q", "list", "--name"], capture_output=True, text=True, check=True).stdout
    disks = subprocess.run(["virsh", "-q", "domblklist", domain.strip()], capture_output=True, text=True, check=True)
    assert f" {path}/images/" in disks.stdout
    assert (engine.power("vault"), len(files(engine))) == ("running", 3)
    assert engine.json("pools", "show", "cellar")["free_bytes"] < free - (4 << 20)
    engine.json("servers", "poweroff", "vault")
    engine.json("servers", "delete", "vault")
    engine.json("servers", "purge", engine.json("servers", "list", "--trash")[0]["id"])
    for image in ("spare", "base"):
        engine.json("images", "delete", image)
        engine.json("images", "purge", engine.json("images", "list", "--trash")[0]["id"])
    assert (files(engine), engine.json("images", "list")) == ([], [])


def test_a_pool_that_a_reboot_put_away_is_opened_with_what_was_in_it(engine: EngineWorld) -> None:
    engine.json("images", "create", "kept", "1M", "--pool", "cellar")
    before, zfs_name = files(engine), name(engine)
    engine.close()
    in_time("export", zfs_name)
    engine.start()
    shown = engine.json("pools", "show", "cellar")
    assert (shown["health"], files(engine)) == ("ok", before)
    assert len(before) == 1
