"""The fake storage driver passes the suite that real ones pass, and can be told to fail."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.contracts import PoolSpec, Storage
from origo.errors import Conflict, NoRoom, Unavailable
from origo.host import LocalHost
from origo.testing.fake_storage import FakeStorage
from origo.testing.storage_suite import IMAGE, TRASHED, Make, StorageSuite, put


class TestFakeStorage(StorageSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: FakeStorage(LocalHost(), {"world": str(tmp_path / "world")})

    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[PoolSpec]:
        yield PoolSpec(7, "cellar", str(tmp_path / "pool"))
        shutil.rmtree(tmp_path)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    (tmp_path / "fail").mkdir()
    return FakeStorage(LocalHost(), {"world": str(tmp_path)})


@pytest.fixture
def pool(tmp_path: Path) -> PoolSpec:
    return PoolSpec(1, "shelf", str(tmp_path / "shelf"))


def test_it_fails_where_a_file_says_so(storage: Storage, pool: PoolSpec, tmp_path: Path) -> None:
    storage.create(pool)
    put(storage, pool, IMAGE)
    for method in ("check", "info", "create", "destroy", "open", "usage", "list", "move", "seal", "remove"):
        (tmp_path / "fail" / method).write_text("cannot do that: a test says so\n")
    for act in (storage.create, storage.destroy, storage.open, storage.usage):
        with pytest.raises(Unavailable, match="a test says so"):
            act(pool)
    for act in (storage.seal, storage.remove):
        with pytest.raises(Unavailable):
            act(pool, IMAGE)
    with pytest.raises(Unavailable):
        storage.move(pool, IMAGE, TRASHED)
    (tmp_path / "fail" / "list").write_text("")
    with pytest.raises(Unavailable, match="cannot list: told to fail"):
        storage.list(pool, "images")
    for method in ("check", "info"):
        with pytest.raises(Unavailable):
            getattr(storage, method)()


def test_it_is_full_degraded_or_lacks_things_where_a_file_says_so(
    storage: Storage, pool: PoolSpec, tmp_path: Path
) -> None:
    storage.create(pool)
    (tmp_path / "full").touch()
    (tmp_path / "degraded").write_text("one disk is gone")
    (tmp_path / "lacks").write_text("no disks\n")
    usage = storage.usage(pool)
    assert (usage.free_bytes, usage.health, usage.sentence) == (0, "degraded", "one disk is gone")
    assert [lack.sentence for lack in storage.check()] == ["no disks"]
    with pytest.raises(NoRoom):
        storage.create(PoolSpec(2, "other", str(tmp_path / "other")))


def test_a_pool_with_an_image_stays_also_here(storage: Storage, pool: PoolSpec) -> None:
    storage.create(pool)
    put(storage, pool, IMAGE)
    with pytest.raises(Conflict, match="images/"):
        storage.destroy(pool)
