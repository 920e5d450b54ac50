"""Pools that are folders, on the file system of the tests: the suite, and what only folders have to promise."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from origo_plugins.storage_rsync.driver import RsyncStorage

from origo.contracts import PoolSpec
from origo.errors import NotFound, Unavailable
from origo.host import LocalHost
from origo.testing.storage_suite import Make, StorageSuite


@pytest.fixture
def make() -> Make:
    return lambda: RsyncStorage(LocalHost(), {})


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[PoolSpec]:
    yield PoolSpec(7, "cellar", str(tmp_path / "pool"))
    shutil.rmtree(tmp_path)


class TestRsyncStorage(StorageSuite):
    @pytest.fixture
    def make(self, make: Make) -> Make:
        return make

    @pytest.fixture
    def pool(self, pool: PoolSpec) -> PoolSpec:
        return pool


def test_a_fresh_disk_with_lost_and_found_is_taken(make: Make, pool: PoolSpec) -> None:
    (Path(pool.path) / "lost+found").mkdir(parents=True)
    make().create(pool)
    make().destroy(pool)
    assert [path.name for path in Path(pool.path).iterdir()] == ["lost+found"]


def test_a_pool_that_guests_cannot_reach_is_degraded(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    parent = Path(pool.path).parent
    parent.chmod(0o700)
    usage = make().usage(pool)
    assert usage.health == "degraded"
    assert "guests cannot reach pool cellar: only its owner may enter /" in usage.sentence


def test_a_marker_left_under_a_lost_mount_is_no_pool(make: Make, pool: PoolSpec) -> None:
    make().create(pool)
    marker = Path(pool.path, "pool.json")
    content = json.loads(marker.read_text())
    content["file_system"] |= {"mount": pool.path, "uuid": "another"}
    marker.write_text(json.dumps(content))
    usage = make().usage(pool)
    assert (usage.health, usage.free_bytes, usage.total_bytes) == ("failed", 0, 0)
    assert usage.sentence == f"pool cellar at {pool.path} cannot be used: {pool.path} is not mounted"
    with pytest.raises(NotFound, match="is not mounted"):
        make().open(pool)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "7"}', "null"])
def test_a_damaged_marker_is_said_and_nothing_is_removed(make: Make, pool: PoolSpec, text: str) -> None:
    make().create(pool)
    Path(pool.path, "pool.json").write_text(text)
    for act in (make().open, make().usage, make().create, make().destroy):
        with pytest.raises(Unavailable, match="it is damaged"):
            act(pool)
    assert Path(pool.path, "images").is_dir()
