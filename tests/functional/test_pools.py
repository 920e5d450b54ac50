"""What pools are promised: nothing that happens to one stops the engine, and whoever looks after them is told."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from origo import model
from origo.contracts.storage import PoolSpec
from origo.operations.core import Core
from origo.services import engine
from origo.services.access import SYSTEM
from origo.services.images import operations as images
from origo.services.pools import keeping, recalling
from origo.services.stacks import operations as stacks
from tests.functional import kinds
from tests.functional.shelf import Shelf, room
from tests.functional.watching import eventually, open_issues


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Core]:
    core = kinds.open_core(tmp_path, {**kinds.FAKES, "storage": Shelf})
    engine.ensure(core)
    (tmp_path / "world").mkdir()
    room(core, 1 << 40, 1 << 39)
    yield core
    core.operations.stop()
    model.database.close()


@pytest.fixture
def core(empty: Core) -> Core:
    kinds.furnish(empty)
    empty.operations.start()
    return empty


def test_the_first_pool_is_made_as_the_settings_say(empty: Core) -> None:
    values = dict(empty.config.values) | {"storage_options": "devices=/dev/sdb layout=single"}
    keeping.make_first(replace(empty, config=replace(empty.config, values=values)))
    assert model.Pool.get_by_id(0).options == {"devices": "/dev/sdb", "layout": "single"}


def test_an_engine_whose_first_pool_cannot_be_made_is_told_and_has_it_as_soon_as_it_can(empty: Core) -> None:
    stranger = Path(empty.config.path("pools", "0"))
    stranger.parent.mkdir(exist_ok=True)
    stranger.touch()
    keeping.ensure(empty, open_all=True)
    assert [said.partition(":")[0] for said in open_issues()] == [f"cannot make pool default at {stranger}"]
    stranger.unlink()
    keeping.ensure(empty)
    assert open_issues() == []
    assert model.Pool.get_by_id(0).state == "ready"


@pytest.mark.parametrize(("other", "name"), [("second", "default"), ("default", "default-0")])
def test_the_first_pool_is_made_even_if_another_was_made_before(empty: Core, other: str, name: str) -> None:
    path = Path(empty.config.home, "other")
    Shelf(empty.local, {}).create(PoolSpec(1, other, str(path)))
    model.Pool.create(id=1, name=other, driver="files", path=str(path), created=1.0, state="ready")
    for _ in range(2):
        keeping.ensure(empty)
    assert [(pool.id, pool.name) for pool in model.Pool.select().order_by(model.Pool.id)] == [(0, name), (1, other)]
    assert open_issues() == []


def test_a_pool_that_cannot_be_opened_is_an_issue_until_it_can_and_keeps_no_other_from_opening(core: Core) -> None:
    second = Path(core.config.home, "second")
    model.Pool.create(id=1, name="second", driver="files", path=str(second), created=1.0, state="missing")
    folder = Path(core.config.path("pools", "0"))
    away = folder.rename(folder.with_name("away"))
    Shelf(core.local, {}).create(PoolSpec(1, "second", str(second)))
    keeping.ensure(core, open_all=True)
    keeping.ensure(core)
    assert [said.partition(":")[0] for said in open_issues()] == [f"cannot find pool default at {folder}"]
    assert [pool.state for pool in model.Pool.select().order_by(model.Pool.id)] == ["missing", "ready"]
    away.rename(folder)
    keeping.ensure(core)
    assert open_issues() == []
    assert model.Pool.get_by_id(0).state == "ready"
    kinds_of = [event.kind for event in core.events.since(0) if event.noun == "pools" and event.target == "0"]
    assert kinds_of == ["pool.missing", "pool.ready"]


@pytest.fixture
def second(core: Core) -> model.Pool:
    """Another pool, which is opened after the first."""
    path = Path(core.config.home, "second")
    Shelf(core.local, {}).create(PoolSpec(1, "second", str(path)))
    keeping.ensure(core)
    return model.Pool.create(id=1, name="second", driver="files", path=str(path), created=1.0, state="missing")


@pytest.mark.parametrize(
    "odd",
    [
        '{"schema": 1, "engine": {"id": "ID", "name": "n"}, "count": 9, "images": 7}',
        '{"schema": 1, "engine": {"id": "ID", "name": "n"}, "count": "9", "images": []}',
        '{"schema": 1, "engine": {"id": "ID", "name": "n"}, "count": 1' + "0" * 400 + "}",
        '{"schema": 1, "engine": {"id": "ID", "name": "n"}, "count": 9, "images": [{"id": "x"}]}',
        "[" * 100_000,
        '{"schema": 1, "engine": 7}',
    ],
)
def test_odd_notes_of_one_pool_are_told_and_left_and_keep_no_other_from_opening(
    core: Core, second: model.Pool, odd: str
) -> None:
    path = Path(model.Pool.get_by_id(0).path, "engine", "notes.json")
    path.write_text(odd.replace("ID", model.EngineRow.get().id))
    keeping.ensure(core, open_all=True)
    (said,) = open_issues()
    assert said.startswith(f"cannot read {path}: ") and len(said) < 300
    assert [pool.state for pool in model.Pool.select().order_by(model.Pool.id)] == ["ready", "ready"]
    assert path.read_text() == odd.replace("ID", model.EngineRow.get().id)
    path.unlink()
    keeping.ensure(core)
    assert open_issues() == [] and path.exists()


def test_an_error_in_looking_after_one_pool_keeps_no_other_from_opening(
    core: Core, second: model.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(core: Core, pool: model.Pool) -> None:
        if pool.id == 0:
            raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(recalling, "recall", fail)
        keeping.ensure(core, open_all=True)
    assert open_issues() == ["cannot look after pool default because of an error in the engine"]
    assert model.Pool.get_by_id(1).state == "ready"
    keeping.ensure(core)
    assert open_issues() == []


def test_a_pool_that_is_being_made_is_left_to_its_operation(core: Core) -> None:
    model.Pool.create(id=1, name="second", driver="files", path="/nowhere/at/all", created=1.0)
    keeping.ensure(core, open_all=True)
    assert open_issues() == []
    assert model.Pool.get_by_id(1).state == "creating"


@pytest.mark.parametrize(
    ("total", "free", "low"), [(1000, 99, True), (1000, 100, False), (1000 << 30, 10 << 30, False)]
)
def test_a_pool_is_low_on_room_below_a_tenth_or_ten_gib_whichever_is_less(
    core: Core, total: int, free: int, low: bool
) -> None:
    room(core, total, free)
    keeping.ensure(core)
    assert bool(open_issues()) == low
    room(core, total, total)
    keeping.ensure(core)
    assert open_issues() == []


def test_how_much_is_free_is_said_and_changes_with_the_pool(core: Core) -> None:
    for free in (2, 1):
        room(core, 1 << 40, free << 30)
        keeping.ensure(core)
        assert open_issues() == [f"pool default is low on room: {free} GiB of 1 TiB are free"]


def test_a_pool_that_is_degraded_is_an_issue_until_it_is_well(core: Core) -> None:
    world = Path(core.config.path("world", "degraded"))
    world.write_text("/dev/sdb1 is FAULTED")
    keeping.ensure(core)
    assert open_issues() == ["/dev/sdb1 is FAULTED"]
    world.unlink()
    keeping.ensure(core)
    assert open_issues() == []


def test_room_is_looked_at_soon_after_something_was_written(core: Core) -> None:
    keeper = keeping.Keeper(core, every=3600, soon=0.02)
    keeper.start()
    room(core, 1 << 40, 1 << 20)
    time.sleep(0.2)
    assert open_issues() == []
    kinds.run(core, images.CreateImage(), name="disk", owner=SYSTEM.id, pool=0, size_bytes=1 << 20)
    assert eventually(lambda: bool(open_issues()))
    keeper.stop()


def test_pools_are_looked_at_from_time_to_time_whatever_goes_wrong_with_one(core: Core) -> None:
    told = Path(core.config.path("world", "room"))
    keeper = keeping.Keeper(core, every=0, soon=0.02)
    told.write_text("nonsense")
    keeper.start()
    time.sleep(0.1)
    room(core, 1 << 40, 1 << 20)
    assert eventually(lambda: bool(open_issues()))
    keeper.stop()


def test_a_pool_remembers_its_engine_and_what_its_images_are(core: Core) -> None:
    kinds.run(core, images.CreateImage(), name="disk", owner=SYSTEM.id, pool=0, size_bytes=1 << 20)
    keeping.ensure(core)
    path = Path(model.Pool.get_by_id(0).path, "engine", "notes.json")
    found = json.loads(path.read_text())
    assert found["engine"]["id"] == model.EngineRow.get().id
    assert [(image["id"], image["name"]) for image in found["images"]] == [(kinds.image(), "disk")]
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.stat().st_mtime_ns
    keeping.ensure(core)
    assert path.stat().st_mtime_ns == written, "what has not changed is not written again"
    model.Image.update(name="other").execute()
    keeping.ensure(core)
    assert json.loads(path.read_text())["images"][0]["name"] == "other"


def test_what_a_pool_remembers_has_no_secret(core: Core) -> None:
    kinds.an_entry(core)
    kinds.run(core, stacks.InstallStack(), **kinds.wanted_stack())
    model.Stack.update(secret="sealed").execute()
    keeping.ensure(core)
    text = Path(model.Pool.get_by_id(0).path, "engine", "notes.json").read_text()
    assert [stack["name"] for stack in json.loads(text)["stacks"]] == ["hello"]
    assert len(json.loads(text)["disks"]) == 2
    assert "sealed" not in text
