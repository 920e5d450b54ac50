"""An engine becomes what a backup says: the same one goes back, a lost one is there again on another disk."""

import time
from pathlib import Path

import pytest

from origo import home, model
from origo.contracts import PoolSpec
from origo.errors import BadInput, Conflict
from origo.operations.core import Core
from origo.services import engine, pools
from origo.services.access import SYSTEM
from origo.services.engine import backups, copying
from tests.functional import kinds
from tests.functional.backed_up import back_up, origo, restarted, rows


def test_an_engine_goes_back_to_what_it_was(
    core: Core, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(core)
    before = rows()
    model.Image.update(name="renamed").where(model.Image.name == "web").execute()
    (tmp_path / "key").write_text(key)
    result = origo(core, monkeypatch, "engine", "restore", "--key-file", str(tmp_path / "key"))
    assert result.stdout == "engine is what the backup says, and starts anew\n", (result.output, result.exception)
    assert home.is_staged(core.config.home)
    restarted(core)
    assert rows() == before
    assert (core.config.home / "replaced-1" / "origo.db").exists(), "what it was until then is kept"


def test_a_lost_engine_is_there_again_on_a_new_disk(
    core: Core, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = model.EngineRow.get()
    sealed, pool = core.secrets.seal("kept"), pools.find(0).path
    back_up(core)
    before = rows()
    core.operations.stop()
    model.database.close()
    with kinds.running(tmp_path / "new", kinds_without_a_pool) as new:
        new.config = new.config.changed({"setup": True})
        assert model.EngineRow.get().id != old.id
        (tmp_path / "key").write_text(key)
        words = (
            "engine",
            "recover",
            "--take",
            "--driver",
            "files",
            "--path",
            pool,
            "--key-file",
            str(tmp_path / "key"),
        )
        result = origo(new, monkeypatch, *words)
        assert result.exit_code == 0, (result.output, result.exception)
        again = restarted(new)
        assert (model.EngineRow.get().id, rows()) == (old.id, before)
        assert again.secrets.unseal(sealed) == "kept"
        assert not engine.awaits_setup(again)


@pytest.mark.parametrize("cellar_is", ["there", "not connected", "of another key"])
def test_an_engine_is_recovered_by_the_newest_backup_of_all_its_pools_that_can_be_read(
    core: Core, key: str, cellar: PoolSpec, tmp_path: Path, cellar_is: str
) -> None:
    back_up(core)
    model.Image.update(name="renamed").where(model.Image.name == "web").execute()
    if cellar_is == "of another key":
        backups.new_key(core, SYSTEM)
    kinds.run(core, copying.BackUpEngine(), pool=1, begun=1.7e9)
    first = pools.find(0).path
    core.operations.stop()
    model.database.close()
    if cellar_is == "not connected":
        Path(cellar.path).rename(tmp_path / "away")
    with kinds.running(tmp_path / "new", kinds_without_a_pool) as new:
        lost = {"id": 0, "driver": "files", "path": first, "options": {}, "take": False}
        kinds.run(new, copying.RestoreEngine(), pool=0, name="", lost=lost, key=new.secrets.seal(key))
        restarted(new)
        assert ("renamed" in rows()) == (cellar_is == "there")


@pytest.mark.parametrize("newest", ["damaged", "cut off", "nothing"])
def test_a_newest_backup_that_is_damaged_leaves_the_one_before_to_recover_by(
    core: Core, key: str, tmp_path: Path, newest: str
) -> None:
    before, pool = back_up(core), pools.find(0).path
    damaged = Path(pool, "engine", back_up(core, 1.8e9 + backups.DAY))
    whole = damaged.read_bytes()
    damaged.write_bytes({"damaged": whole[:-1] + b"?", "cut off": whole[: len(whole) // 2], "nothing": b""}[newest])
    args = {"pool": 0, "name": "", "lost": None, "key": core.secrets.seal(key)}
    strict = core.operations.wait(core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id).id, 20)
    assert strict.status == "undone", "an engine that is there has a choice, and is not given another one"
    core.operations.stop()
    model.database.close()
    with kinds.running(tmp_path / "new", kinds_without_a_pool) as new:
        lost = {"id": 0, "driver": "files", "path": pool, "options": {}, "take": False}
        row = kinds.run(new, copying.RestoreEngine(), pool=0, name="", lost=lost, key=new.secrets.seal(key))
        log = "\n".join(line.text for line in row.lines)
        assert f"{damaged.name}: cannot read the backup" in log and f"the backup {before} takes" in log


def test_a_backup_of_a_newer_version_is_refused_before_anything_takes_its_place(core: Core, key: str) -> None:
    model.Migration.create(name="0002-of-tomorrow", applied=time.time())
    back_up(core)
    model.Migration.delete().where(model.Migration.name == "0002-of-tomorrow").execute()
    args = {"pool": 0, "name": "", "lost": None, "key": core.secrets.seal(key)}
    row = core.operations.wait(core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id).id, 20)
    assert row.status == "undone" and "a newer version of Origo wrote it" in row.error["message"]
    assert not home.is_staged(core.config.home)


def kinds_without_a_pool(core: Core) -> None:
    pool = pools.find(0)
    pools.driver(core, pool).destroy(pools.spec(pool))
    pool.delete_instance()


def test_an_engine_that_has_pools_is_never_overwritten_by_a_lost_one(core: Core, key: str) -> None:
    back_up(core)
    lost = {"id": 1, "driver": "files", "path": "/nowhere", "options": {}, "take": False}
    args = {"pool": 0, "name": "", "lost": lost, "key": core.secrets.seal(key)}
    with pytest.raises(Conflict, match="this one has pools already"):
        core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id)


@pytest.mark.parametrize("wrong", ["another", "mistyped"])
def test_the_wrong_key_changes_nothing(core: Core, key: str, wrong: str) -> None:
    back_up(core)
    given = backups.new_key(core, SYSTEM)["key"] if wrong == "another" else "ABC"
    args = {"pool": 0, "name": "", "lost": None, "key": core.secrets.seal(given)}
    if wrong == "mistyped":
        with pytest.raises(BadInput, match="mistyped"):
            core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id)
    else:
        row = core.operations.wait(core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id).id, 20)
        assert row.status == "undone" and "another recovery key" in row.error["message"]
    assert not home.is_staged(core.config.home)
