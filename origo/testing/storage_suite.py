"""What every Storage must keep: subclass `StorageSuite`, give the fixtures `make` and `pool`, run pytest.

Numbers are those of the clauses in docs/reference/contract-storage.md. Clauses 1–28; those of a pool that can be filled
are `FullPoolSuite`, in a module of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from origo.contracts import Exports, Place, PoolSpec, Storage, Takeover
from origo.errors import BadInput, Conflict, NotFound, OrigoError, Unavailable
from origo.host import Host

AREAS = ("images", "masters", "trash", "engine")
DATA = b"\x00\x01" * 5000
IMAGE = Place("images", "11111111-1111-4111-8111-111111111111.qcow2")
TRASHED = replace(IMAGE, area="trash")
HOSTILE = ("", ".", "..", "../x", "a/b", "/etc/group", "a\0b", "a\nb", "-rf", ".hidden", "a" * 300, "\ud800", "\x1b[2J")
Make = Callable[[], Storage]
Vanish = Callable[[], AbstractContextManager[None]]


class Killed(BaseException):
    """The daemon ends here."""


class Dying:
    """A host on which the daemon is killed before its n-th call."""

    def __init__(self, host: Host, calls: int) -> None:
        self._host = host
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._host, name)
        if not callable(attribute):
            return attribute
        if self._left == 0:
            raise Killed
        self._left -= 1
        return attribute


def put(storage: Storage, pool: PoolSpec, place: Place, data: bytes = DATA) -> str:
    """Lay a file there as the core does, and give its path."""
    path = storage.place(pool, place)
    storage.host.write(path, data, mode=0o600)
    return path


def names(storage: Storage, pool: PoolSpec) -> dict[str, list[str]]:
    """All that is in the pool, by area."""
    return {area: sorted(storage.list(pool, area)) for area in AREAS}


def refuses(storage: Storage, pool: PoolSpec, error: type[OrigoError], match: str | None = None) -> None:
    """Making it is refused, and is said to be before."""
    for ask in (storage.examine, storage.create):
        with pytest.raises(error, match=match):
            ask(pool)


def killed_everywhere(make: Make, act: Callable[[Storage], None], every: int = 1) -> Iterator[int]:
    """Do `act` killed before its first call of the host, its second, and so on; yields after each, until none is."""
    for calls in range(0, 500, every):
        storage = make()
        storage.host = Dying(storage.host, calls)  # type: ignore[assignment]
        try:
            act(storage)
        except Killed:
            yield calls
        else:
            return
    raise AssertionError("it does not end")


class StorageSuite:
    """Clauses of the contract Storage. Nothing lies at the pool's path at first, and nothing after each test."""

    KILL_EVERY = 1
    """A host whose calls take long may be killed before every n-th of them only."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes one more driver for the same host, as another daemon would."""
        raise NotImplementedError

    @pytest.fixture
    def pool(self) -> PoolSpec:
        """A pool that is not there; what a test makes of it is removed afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def vanish(self, make: Make, pool: PoolSpec) -> Vanish:
        """Takes the disk of a pool away for a while; by default its folder gets another name."""

        @contextmanager
        def away() -> Iterator[None]:
            host = make().host
            host.rename(pool.path, f"{pool.path}-away")
            yield
            host.rename(f"{pool.path}-away", pool.path)

        return away

    def test_01_a_pool_that_was_made_is_there_for_any_driver(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        assert names(make(), pool) == {area: [] for area in AREAS}

    def test_02_making_it_again_leaves_it_as_it_is(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        path = put(make(), pool, IMAGE)
        make().examine(pool)
        make().create(pool)
        assert make().host.read(path) == DATA

    def test_03_a_folder_with_something_else_is_refused_and_left(self, make: Make, pool: PoolSpec) -> None:
        host = make().host
        host.make_folder(pool.path)
        for name in ("letter", "images"):
            host.write(f"{pool.path}/{name}", b"mine")
            refuses(make(), pool, Conflict, name)
            make().destroy(pool)
            assert host.list(pool.path) == [name]
            host.remove(f"{pool.path}/{name}")

    def test_04_another_pool_is_refused_and_left(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        other = replace(pool, id=pool.id + 1)
        refuses(make(), other, Conflict)
        make().destroy(other)
        with pytest.raises((NotFound, Unavailable)):
            make().usage(other)
        assert names(make(), pool)["images"] == []

    def test_05_a_path_through_a_link_or_a_file_is_refused(self, make: Make, pool: PoolSpec) -> None:
        host = make().host
        host.make_folder(f"{pool.path}-target")
        host.run(["ln", "-s", f"{pool.path}-target", f"{pool.path}-link"])
        host.write(f"{pool.path}-file", b"")
        for path in (f"{pool.path}-link", f"{pool.path}-link/below", f"{pool.path}-file", f"{pool.path}-file/below"):
            refuses(make(), replace(pool, path=path), Conflict, "link|file")
        assert host.list(f"{pool.path}-target") == []
        for name in ("link", "file", "target"):
            host.remove(f"{pool.path}-{name}")

    @pytest.mark.parametrize("path", ["", "/", "pool", "//pool", "/a/../b", "/a/", "/a//b", "/a\nb", "/a\0b"])
    def test_06_a_path_that_is_none_is_refused(self, make: Make, pool: PoolSpec, path: str) -> None:
        refuses(make(), replace(pool, path=path), BadInput)

    def test_07_what_would_be_done_is_shown_and_not_done(self, make: Make, pool: PoolSpec) -> None:
        make().examine(pool)
        text = make().render(pool)
        assert all(f"{pool.path}/{area}" in text for area in AREAS)
        assert make().host.exists(pool.path) is False

    def test_08_a_pool_is_opened_twice_and_one_that_is_not_there_is_not_found(self, make: Make, pool: PoolSpec) -> None:
        with pytest.raises(NotFound):
            make().open(pool)
        make().create(pool)
        path = put(make(), pool, IMAGE)
        for _ in range(2):
            make().open(pool)
        assert make().host.read(path) == DATA

    def test_09_an_empty_pool_is_removed_without_a_trace(self, make: Make, pool: PoolSpec) -> None:
        make().destroy(pool)
        make().create(pool)
        put(make(), pool, Place("engine", "notes.json"))
        for _ in range(2):
            make().destroy(pool)
        assert make().host.exists(pool.path) is False
        with pytest.raises(NotFound):
            make().usage(pool)
        make().create(pool)
        assert make().usage(pool).total_bytes > 0

    @pytest.mark.parametrize("area", ["images", "masters", "trash"])
    def test_10_a_pool_with_an_image_is_not_removed(self, make: Make, pool: PoolSpec, area: str) -> None:
        make().create(pool)
        path = put(make(), pool, replace(IMAGE, area=area))
        with pytest.raises(Conflict):
            make().destroy(pool)
        assert make().host.read(path) == DATA
        make().open(pool)

    @pytest.mark.parametrize("name", ["letter", "images/folder", "masters/.hidden"])
    def test_11_a_pool_with_something_else_is_not_removed(self, make: Make, pool: PoolSpec, name: str) -> None:
        make().create(pool)
        make().host.make_folder(f"{pool.path}/{name}")
        with pytest.raises(Conflict, match=name):
            make().destroy(pool)
        assert make().host.exists(f"{pool.path}/{name}")

    def test_12_room_and_health_are_told(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        usage = make().usage(pool)
        assert 0 < usage.free_bytes <= usage.total_bytes
        assert usage.health in ("ok", "degraded")
        assert bool(usage.sentence) == (usage.health != "ok")

    def test_13_a_place_is_a_path_in_the_pool_and_nothing_is_made(self, make: Make, pool: PoolSpec) -> None:
        storage = make()
        paths = {storage.place(pool, replace(IMAGE, area=area)) for area in AREAS}
        assert len(paths) == len(AREAS)
        assert all(path.startswith(f"{pool.path}/") for path in paths)
        assert storage.host.exists(pool.path) is False

    @pytest.mark.parametrize("place", [*(Place("images", name) for name in HOSTILE), Place("", "a"), Place("..", "a")])
    def test_14_a_name_that_is_none_is_refused(self, make: Make, pool: PoolSpec, place: Place) -> None:
        make().create(pool)
        storage = make()
        for act in (storage.place, storage.seal, storage.remove):
            with pytest.raises(BadInput):
                act(pool, place)
        for pair in ((place, TRASHED), (TRASHED, place)):
            with pytest.raises(BadInput):
                storage.move(pool, *pair)

    def test_15_a_list_has_names_and_what_they_allocate(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        storage = make()
        path = put(storage, pool, IMAGE, DATA * 100)
        sparse = replace(IMAGE, name="sparse file ☃.raw")
        storage.host.run(["truncate", "--size=1G", storage.place(pool, sparse)])
        storage.host.make_folder(f"{path}.folder")
        storage.host.write(f"{pool.path}/images/.hidden", b"")
        storage.host.run(["ln", "-s", path, f"{path}.link"])
        storage.host.run(["sync", path])
        found = storage.list(pool, "images")
        assert sorted(found) == sorted([IMAGE.name, sparse.name])
        assert found[sparse.name] < 1 << 20
        assert found[IMAGE.name] == storage.host.stat(path).allocated_bytes
        with pytest.raises(BadInput):
            storage.list(pool, "..")

    def test_16_a_file_goes_into_the_trash_and_back_unchanged(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        path = put(make(), pool, IMAGE)
        before = make().host.stat(path)
        for place, target in ((IMAGE, TRASHED), (TRASHED, IMAGE)):
            for _ in range(2):
                make().move(pool, place, target)
            assert names(make(), pool)[target.area] == [IMAGE.name]
            assert names(make(), pool)[place.area] == []
        assert make().host.stat(path) == before
        assert make().host.read(path) == DATA

    def test_17_nothing_is_moved_over_another_and_nothing_from_nowhere(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        with pytest.raises(NotFound):
            make().move(pool, IMAGE, TRASHED)
        with pytest.raises(NotFound):
            make().move(pool, IMAGE, IMAGE)
        put(make(), pool, IMAGE, b"one")
        put(make(), pool, TRASHED, b"two")
        make().move(pool, IMAGE, IMAGE)
        with pytest.raises(Conflict):
            make().move(pool, IMAGE, TRASHED)
        host = make().host
        assert [host.read(make().place(pool, place)) for place in (IMAGE, TRASHED)] == [b"one", b"two"]

    def test_18_a_sealed_file_is_roots_and_nobodys_to_write(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        master = replace(IMAGE, area="masters")
        with pytest.raises(NotFound):
            make().seal(pool, master)
        path = put(make(), pool, master)
        for _ in range(2):
            make().seal(pool, master)
        facts = make().host.stat(path)
        assert (facts.uid, facts.mode) == (0, 0o444)
        make().move(pool, master, replace(master, area="trash"))
        assert make().host.stat(make().place(pool, replace(master, area="trash"))).mode == 0o444

    def test_19_what_is_unfinished_or_no_file_is_not_sealed(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        path = put(make(), pool, IMAGE)
        make().host.protect(path, mode=0o1600)
        with pytest.raises(Conflict, match="not finished"):
            make().seal(pool, IMAGE)
        assert make().host.stat(path).mode == 0o1600
        make().host.remove(path)
        make().host.run(["ln", "-s", "/etc/hostname", path])
        with pytest.raises(Conflict, match="link"):
            make().seal(pool, IMAGE)

    def test_20_what_is_removed_is_gone_and_nothing_else(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        make().remove(pool, IMAGE)
        put(make(), pool, IMAGE)
        kept = put(make(), pool, TRASHED)
        for _ in range(2):
            make().remove(pool, IMAGE)
        assert names(make(), pool)["images"] == []
        make().host.run(["ln", "-s", kept, make().place(pool, IMAGE)])
        make().remove(pool, IMAGE)
        assert make().host.read(kept) == DATA
        make().host.make_folder(make().place(pool, IMAGE))
        with pytest.raises(Conflict):
            make().remove(pool, IMAGE)

    def test_21_guests_processes_reach_images_by_name_and_nobody_looks_around(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        host = make().host
        modes = {area: host.stat(f"{pool.path}/{area}").mode for area in AREAS}
        assert modes == {"images": 0o711, "masters": 0o711, "trash": 0o700, "engine": 0o700}
        assert host.stat(pool.path).mode == 0o711

    def test_22_a_pool_whose_disk_is_gone_is_not_found(self, make: Make, pool: PoolSpec, vanish: Vanish) -> None:
        make().create(pool)
        path = put(make(), pool, IMAGE)
        with vanish():
            storage = make()
            with pytest.raises(NotFound):
                storage.usage(pool)
            with pytest.raises(NotFound):
                storage.list(pool, "images")
            with pytest.raises(NotFound):
                storage.move(pool, IMAGE, TRASHED)
            with pytest.raises(NotFound):
                storage.remove(pool, IMAGE)
            assert storage.host.exists(path) is False
        make().open(pool)
        assert make().host.read(path) == DATA

    def test_23_killed_while_it_is_made_it_can_be_made_or_removed(self, make: Make, pool: PoolSpec) -> None:
        killed = 0
        for _ in killed_everywhere(make, lambda storage: storage.create(pool), self.KILL_EVERY):
            killed += 1
            if killed % 2:
                make().create(pool)
                make().open(pool)
            make().destroy(pool)
            assert make().host.exists(pool.path) is False
        assert killed > len(AREAS) // self.KILL_EVERY

    def test_24_killed_while_it_is_removed_it_can_be_removed(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        put(make(), pool, Place("engine", "notes.json"))
        killed = 0
        for _ in killed_everywhere(make, lambda storage: storage.destroy(pool), self.KILL_EVERY):
            killed += 1
            make().destroy(pool)
            assert make().host.exists(pool.path) is False
            make().create(pool)
            put(make(), pool, Place("engine", "notes.json"))
        assert killed > len(AREAS) // self.KILL_EVERY
        assert make().host.exists(pool.path) is False

    def test_25_the_driver_tells_what_it_is_and_what_is_missing(self, make: Make) -> None:
        assert make().check() == []
        assert make().info().title

    def test_26_only_images_and_masters_are_exported(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        storage = make()
        if isinstance(storage, Exports):
            lines = storage.exports(pool, ["192.0.2.7", "192.0.2.8"]).splitlines()
            assert [line.split()[0] for line in lines] == [f"{pool.path}/images", f"{pool.path}/masters"]
            for line, mode in zip(lines, ("(rw,", "(ro,"), strict=True):
                words = line.split()[1:]
                assert [word.partition("(")[0] for word in words] == ["192.0.2.7", "192.0.2.8"]
                assert all(mode in word for word in words)
            assert storage.exports(pool, ["192.0.2.7", "192.0.2.8"]).splitlines() == lines

    def test_27_a_pool_that_nobody_else_uses_is_taken_as_it_is_opened(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        put(make(), pool, IMAGE)
        storage = make()
        if isinstance(storage, Takeover):
            for _ in range(2):
                storage.take(pool)
            assert list(make().list(pool, "images")) == [IMAGE.name]

    def test_28_an_area_that_is_a_link_is_refused_and_not_followed(self, make: Make, pool: PoolSpec) -> None:
        make().create(pool)
        host, trash, target = make().host, f"{pool.path}/trash", f"{pool.path}/masters/target"
        host.make_folder(target, mode=0o755)
        host.remove(trash)
        host.run(["ln", "-s", target, trash])
        for act in (make().open, make().create):
            with pytest.raises(Unavailable, match="trash is a link, no folder"):
                act(pool)
        assert host.stat(target).mode == 0o755
        for path in (trash, target):
            host.remove(path)
