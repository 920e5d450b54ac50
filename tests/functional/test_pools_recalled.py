"""A database that went back is told by its pools what came after, and nothing is lost for want of a row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.errors import Conflict
from origo.model import Image
from origo.operations.core import Core
from origo.services import pools
from origo.services.images import operations as images
from origo.services.pools import keeping, operations, recalling
from origo.services.pools.operations import CreatePool
from origo.services.servers import operations as servers
from tests.functional import kinds, watching


def open_issues() -> list[str]:
    """Those of the database; that guests cannot enter a test's folder is none of them."""
    return [sentence for sentence in watching.open_issues() if not sentence.startswith("guests cannot reach")]


class Cut(BaseException):
    """The power went."""


class Engine:
    """An engine whose daemon stops and starts, whose database can go back to what it was when it was copied."""

    def __init__(self, home: Path) -> None:
        kinds.before(kinds.a_server)(home)
        self.home = home
        self.core = self._open()
        keeping.ensure(self.core, open_all=True)
        self._copy = model.dump()

    def _open(self) -> Core:
        core = kinds.open_core(self.home)
        core.operations.start()
        return core

    def restart(self, between: Callable[[], object] = lambda: None) -> Core:
        self.stop()
        between()
        self.core = self._open()
        return self.core

    def stop(self) -> None:
        self.core.operations.stop()
        model.database.close()

    def go_back(self) -> None:
        """As after a restored backup: the daemon starts on the older database and looks at its pools."""
        keeping.ensure(self.core)
        self.restart(self._put_back)

    def _put_back(self) -> None:
        for name in ("origo.db", "origo.db-wal", "origo.db-shm"):
            (self.home / name).unlink(missing_ok=True)
        (self.home / "origo.db").write_bytes(self._copy)


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    made = Engine(tmp_path / "home")
    yield made
    made.stop()


def make(core: Core, name: str, owner: str) -> str:
    row = kinds.run(core, images.CreateImage(), name=name, owner=owner, pool=0, size_bytes=kinds.SIZE)
    return str(row.target)


def a_user(name: str, **more: Any) -> str:
    return str(model.User.create(name=name, **more).id)


def everything_lies_where_its_row_says(core: Core) -> bool:
    return all(Path(pools.path(core, image)).is_file() for image in Image.select())


def all_that_happens(engine: Engine) -> dict[str, str]:
    """Everything that may come after a backup; the ids by name."""
    core, admin = engine.core, kinds.MINE
    made = {"new": make(core, "new", a_user("berta")), "thrown": make(core, "thrown", kinds.SYSTEM.id)}
    kinds.run(core, images.DeleteImage(), image=made["thrown"], **admin)
    kinds.run(core, images.CloneImage(), master=kinds.image(), name="child", size_bytes=None, **admin)
    kinds.run(core, servers.DeleteServer(), server=kinds.server(), **admin)
    Image.update(name="renamed").where(Image.name == "disk").execute()
    return made


def test_images_that_were_made_since_are_there_again_with_all_that_was_noted_of_them(engine: Engine) -> None:
    a_user("anna", role="admin")
    engine._copy = model.dump()
    made = all_that_happens(engine)
    child = kinds.image("child")
    engine.go_back()
    keeping.ensure(engine.core, open_all=True)
    rows = {image.id: image for image in Image.select()}
    assert rows[made["new"]].owner.name == "anna", "whose owner is unknown belongs to an administrator"
    assert (rows[made["thrown"]].state, rows[made["new"]].state) == ("trashed", "ready")
    assert rows[child].master_id == kinds.image("renamed") and rows[child].name == "child"
    assert {image.state for image in Image.select().where(Image.name.startswith("web"))} == {"ready"}
    assert everything_lies_where_its_row_says(engine.core)
    assert open_issues() == [
        "the database was older than pool default: 3 made since came back (child, new, thrown), "
        "1 changed since (renamed), 2 put back to where their servers have them (web, web-data)"
    ]


def test_a_taken_back_image_may_be_used_and_is_told_only_once(engine: Engine) -> None:
    made = all_that_happens(engine)
    engine.go_back()
    keeping.ensure(engine.core, open_all=True)
    model.Issue.delete().execute()
    kinds.run(engine.core, images.DeleteImage(), image=made["new"], **kinds.MINE)
    kinds.run(engine.core, images.PurgeImage(), image=made["new"], **kinds.MINE)
    engine.restart()
    keeping.ensure(engine.core, open_all=True)
    assert open_issues() == [] and made["new"] not in {image.id for image in Image.select()}


def test_images_without_a_file_are_told_and_their_rows_stay(engine: Engine) -> None:
    kinds.run(engine.core, images.CreateImage(), name="gone", owner=kinds.SYSTEM.id, pool=0, size_bytes=kinds.SIZE)
    engine._copy = model.dump()
    Path(pools.path(engine.core, Image.get(Image.name == "gone"))).unlink()
    make(engine.core, "new", kinds.SYSTEM.id)
    stray = Path(pools.find(0).path, "images", "stray.qcow2")
    stray.touch()
    engine.go_back()
    keeping.ensure(engine.core, open_all=True)
    assert open_issues() == [
        "the database was older than pool default: 1 made since came back (new), 1 without a file (gone), "
        "1 files that nothing is known of"
    ]
    assert stray.exists() and Image.get(Image.name == "gone").state == "ready"
    event = next(event for event in engine.core.events.since(0) if event.kind == "pool.recalled")
    assert event.data["left"] == ["stray.qcow2"]


def test_an_unfinished_image_is_not_taken_for_one(engine: Engine) -> None:
    make(engine.core, "half", kinds.SYSTEM.id)
    Image.update(state="creating").where(Image.name == "half").execute()
    engine.go_back()
    keeping.ensure(engine.core, open_all=True)
    assert "half" not in {image.name for image in Image.select()}


def test_a_database_that_did_not_go_back_is_left_as_it_is(engine: Engine) -> None:
    all_that_happens(engine)
    for _ in range(3):
        keeping.ensure(engine.core, open_all=True)
    assert open_issues() == [] and not [event for event in engine.core.events.since(0) if "recall" in event.kind]


@pytest.mark.parametrize("at", ["the first move", "the second move", "the rows", "the report"])
def test_whenever_it_is_cut_off_the_next_start_ends_with_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    made = all_that_happens(engine)
    engine.go_back()
    number = {"the first move": 0, "the second move": 1}.get(at, -1)
    calls: list[int] = []

    def move(self: Any, *words: Any) -> None:
        calls.append(1)
        if len(calls) - 1 == number:
            raise Cut
        original(self, *words)

    def cut(*words: Any) -> None:
        raise Cut

    original = kinds.WatchedStorage.move
    with monkeypatch.context() as patched:
        patched.setattr(kinds.WatchedStorage, "move", move)
        if number < 0:
            patched.setattr(recalling, "_taken_back" if at == "the rows" else "_report", cut)
        with pytest.raises(Cut):
            keeping.ensure(engine.core, open_all=True)
    engine.restart()
    keeping.ensure(engine.core, open_all=True)
    assert everything_lies_where_its_row_says(engine.core)
    assert set(made.values()) <= {image.id for image in Image.select()}
    assert len(open_issues()) == 1


def test_notes_of_another_engine_are_never_overwritten(engine: Engine) -> None:
    path = of_another_engine(pools.find(0))
    keeping.ensure(engine.core, open_all=True)
    assert json.loads(path.read_text())["engine"]["name"] == "lab"


SAID = "cannot use pool default: it has the images of another engine, lab"


def of_another_engine(pool: model.Pool) -> Path:
    """The disk of another engine's pool of the same number is at its place; the notes there."""
    path = Path(pool.path, "engine", "notes.json")
    found = json.loads(path.read_text())
    found["engine"] = {"id": "another", "name": "lab"}
    path.write_text(json.dumps(found))
    return path


def test_a_pool_of_another_engine_counts_as_missing_until_its_own_disk_is_back(engine: Engine) -> None:
    path = Path(pools.find(0).path, "engine", "notes.json")
    own = path.read_text()
    of_another_engine(pools.find(0))
    for open_all in (True, False):
        keeping.ensure(engine.core, open_all=open_all)
        assert pools.find(0).state == "missing" and open_issues() == [SAID]
    shown = pools.show_row(engine.core, pools.find(0))
    assert (shown["health"], shown["sentence"]) == ("failed", SAID)
    path.write_text(own)
    keeping.ensure(engine.core)
    assert pools.find(0).state == "ready" and open_issues() == []


def test_no_image_is_made_in_a_pool_of_another_engine(engine: Engine) -> None:
    of_another_engine(pools.find(0))
    keeping.ensure(engine.core)
    with pytest.raises(Conflict, match="cannot make image new: pool default is missing"):
        make(engine.core, "new", kinds.SYSTEM.id)


def test_a_pool_of_another_engine_is_not_made_this_ones_and_left_as_it_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds.run(engine.core, CreatePool(), name="cellar", driver="files", path="", options={})
    keeping.ensure(engine.core, open_all=True)
    cellar = pools.find("cellar")
    of_another_engine(cellar)
    model.Pool.delete().where(model.Pool.id == cellar.id).execute()
    before = sorted(Path(cellar.path).rglob("*"))
    args = {"name": "new", "driver": "files", "path": cellar.path, "options": {}}
    for plan in (True, False):
        with pytest.raises(Conflict, match="it has the images of another engine, lab"):
            engine.core.operations.submit(CreatePool(), args, by=kinds.SYSTEM.id, plan=plan)
    monkeypatch.setattr(operations, "check", lambda *asked: None)  # as of a pool that is seen only once it is open
    ended = engine.core.operations.wait(engine.core.operations.submit(CreatePool(), args, by=kinds.SYSTEM.id).id, 20)
    assert ended.status == "undone" and "it has the images of another engine, lab" in ended.error["message"]
    assert sorted(Path(cellar.path).rglob("*")) == before
