"""The engine outlives its disk: its backups lie in its pools, and one of them and a key make the same engine again."""

import time
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.api.route import Page
from origo.contracts import PoolSpec
from origo.errors import Forbidden, Unavailable
from origo.operations.base import Context
from origo.operations.core import Core
from origo.services import pools
from origo.services.access import SYSTEM, Actor
from origo.services.engine import backups, copying, doctor
from origo.services.pools import keeping
from origo.services.servers import operations as servers
from tests.functional import kinds
from tests.functional.api_world import World
from tests.functional.backed_up import back_up, origo, restarted, stored
from tests.functional.watching import open_issues

ADMIN = Actor(id="anna", name="anna", role="admin")


def test_without_a_recovery_key_nothing_is_written_and_that_is_told(core: Core) -> None:
    backups.nightly(core)
    assert stored(core) == [] and open_issues() == []
    core.config = core.config.changed({"setup": True})
    model.EngineRow.update(set_up=1.0).execute()
    backups.nightly(core)
    assert open_issues() == ["the engine is not backed up: there is no recovery key"]
    backups.new_key(core, SYSTEM)
    assert open_issues() == []


def test_only_root_at_the_machine_makes_the_key_or_restores(core: Core) -> None:
    with pytest.raises(Forbidden):
        backups.new_key(core, ADMIN)
    with pytest.raises(Forbidden):
        backups.restore(core, ADMIN, World)


def test_no_secret_of_the_engine_is_readable_in_a_backup(core: Core, key: str) -> None:
    model.User.create(name="anna", password="a hash that nobody sees")
    place = Path(pools.find(0).path, "engine", back_up(core))
    content = place.read_bytes()
    assert b"hash" not in content and b"SQLite" not in content and place.stat().st_mode & 0o777 == 0o600


def test_every_night_each_pool_gets_one_and_only_the_newest_stay(core: Core, key: str) -> None:
    for night in range(copying.KEPT + 3):
        back_up(core, 1.7e9 + night * backups.DAY)
    assert len(stored(core)) == copying.KEPT and "-20231117-" in stored(core)[-1]
    backups.nightly(core)
    assert core.operations.wait(model.OperationRow.select().order_by(model.OperationRow.id.desc()).get().id, 20)
    newest = stored(core)[0]
    backups.nightly(core)
    assert stored(core)[0] == newest, "one a day is enough"


def done(core: Core) -> Any:
    """The newest operation, once it is over."""
    newest = model.OperationRow.select().order_by(model.OperationRow.id.desc()).get()
    return core.operations.wait(newest.id, 20)


def test_the_newest_is_the_one_that_was_written_last_whatever_the_clock_said(core: Core, key: str) -> None:
    for night in range(copying.KEPT):
        back_up(core, 1.7e9 + night * backups.DAY)
    ahead, right = back_up(core, 1.9e9), back_up(core, 1.75e9)
    assert stored(core)[:2] == [right, ahead] and len(stored(core)) == copying.KEPT
    query = Page(q="", limit=100, cursor="")
    assert [one["name"] for one in backups.list_(core, SYSTEM, query)["items"]] == stored(core)


@pytest.mark.parametrize("hours", [30, 5, -30], ids=["far ahead", "ahead", "behind"])
def test_after_the_clock_was_wrong_one_backup_is_due_and_no_more(core: Core, key: str, hours: int) -> None:
    wrong = back_up(core, time.time() + hours * 3600)
    for _ in range(2):
        backups.nightly(core)
        assert done(core).status == "done"
    assert len(stored(core)) == 2 and stored(core)[1] == wrong


def test_a_database_that_went_back_writes_newer_ones_than_all_that_are_there(core: Core, key: str) -> None:
    first, second = back_up(core), back_up(core)
    args = {"pool": 0, "name": first, "lost": None, "key": core.secrets.seal(key)}
    kinds.run(core, copying.RestoreEngine(), **args)
    again = restarted(core)
    again.operations.start()
    third = back_up(again, 1.7e9)
    again.operations.stop()
    assert stored(again) == [third, second, first]


def test_a_file_that_is_called_like_a_backup_of_no_possible_time_is_none(core: Core, key: str) -> None:
    Path(pools.find(0).path, "engine", "00000009-20261399-250000-0123abcd.backup").touch()
    assert stored(core) == []
    assert said_of_backups(core) == [(True, "backup of the engine in pool default", "there is none yet")]
    backups.nightly(core)
    assert done(core).status == "done" and open_issues() == []


def test_backups_are_in_order_beyond_eight_digits(core: Core, key: str) -> None:
    folder = Path(pools.find(0).path, "engine")
    for number in (99999999, 100000000):
        (folder / f"{number}-20260101-000000-0123abcd.backup").touch()
    assert back_up(core).startswith("100000001-")
    assert [copying.number(name) for name in stored(core)] == [100000001, 100000000, 99999999]
    query = Page(q="", limit=100, cursor="")
    assert [one["name"] for one in backups.list_(core, SYSTEM, query)["items"]] == stored(core)


def test_two_backups_that_are_asked_for_at_once_have_an_order(core: Core, key: str) -> None:
    core.operations.stop()
    asked = [core.operations.submit(copying.BackUpEngine(), {"pool": 0, "begun": 1.8e9}, by=SYSTEM.id) for _ in "12"]
    assert len({row.data["name"].split("-")[0] for row in asked}) == 2


@pytest.fixture
def unwritable(core: Core, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No backup can be written as long as this is not undone."""

    def refuse(step: copying.WriteBackup, ctx: Context) -> None:
        raise Unavailable("cannot write: the disk is broken")

    monkeypatch.setattr(copying.WriteBackup, "do", refuse)
    return monkeypatch


def named(days: float) -> str:
    """How a backup is called that was written so many days ago."""
    return f"00000001-{time.strftime(copying.TIME, time.gmtime(time.time() - days * backups.DAY))}-0123abcd.backup"


def said_of_backups(core: Core) -> list[tuple[bool, str, str]]:
    checks = doctor.doctor(core, SYSTEM)["items"]
    return [(one["ok"], one["about"], one["sentence"]) for one in checks if "backup" in one["about"]]


def test_a_pool_that_cannot_be_read_keeps_no_other_from_its_backup_and_is_told(
    core: Core, key: str, cellar: PoolSpec
) -> None:
    first = Path(pools.find(0).path)
    first.rename(first.with_name("away"))
    backups.nightly(core)
    done(core)
    assert len(copying.names(pools.driver(core, pools.find(1)), cellar)) == 1
    (told,) = open_issues()
    assert told.startswith("the engine is not backed up into pool default: ")
    query = Page(q="", limit=100, cursor="")
    assert [one["pool"] for one in backups.list_(core, SYSTEM, query)["items"]] == ["cellar"]
    first.with_name("away").rename(first)
    backups.nightly(core)
    assert open_issues() == [] and done(core).status == "done" and len(stored(core)) == 1


def test_backups_that_fail_for_two_days_are_told_until_one_is_written(
    core: Core, key: str, unwritable: pytest.MonkeyPatch
) -> None:
    Path(pools.find(0).path, "engine", named(1.5)).touch()
    for _ in range(2):
        backups.nightly(core)
        assert done(core).status == "undone"
    assert open_issues() == [] and [ok for ok, *_ in said_of_backups(core)] == [True]
    old = Path(pools.find(0).path, "engine", stored(core)[0])
    old.rename(old.with_name(named(3.5)))
    backups.nightly(core)
    assert open_issues() == ["the engine is not backed up into pool default: cannot write: the disk is broken"]
    assert said_of_backups(core) == [(False, "backup of the engine in pool default", "the newest is 3 days old")]
    done(core)
    unwritable.undo()
    for _ in range(2):
        backups.nightly(core)
        assert done(core).status == "done"
    assert open_issues() == []
    age = "the newest is less than an hour old"
    assert said_of_backups(core) == [(True, "backup of the engine in pool default", age)]


def test_a_machine_that_was_off_for_a_week_is_not_told_of_a_failure(core: Core, key: str) -> None:
    back_up(core, time.time() - 7 * backups.DAY)
    backups.nightly(core)
    assert open_issues() == []


def test_what_still_waits_is_not_asked_for_again(core: Core, key: str) -> None:
    core.operations.stop()
    for _ in range(3):
        backups.nightly(core)
    assert model.OperationRow.select().where(model.OperationRow.kind == "engine.backup").count() == 1


def test_the_doctor_tells_of_a_key_that_is_missing_and_of_a_first_backup_that_is_due(core: Core) -> None:
    assert said_of_backups(core) == []
    core.config = core.config.changed({"setup": True})
    model.EngineRow.update(set_up=1.0).execute()
    assert said_of_backups(core) == [(False, "backups of the engine", "there is no recovery key")]
    backups.new_key(core, SYSTEM)
    assert said_of_backups(core) == [(True, "backup of the engine in pool default", "there is none yet")]


def test_the_command_goes_on_after_a_pool_that_fails_and_names_each(
    core: Core, key: str, cellar: PoolSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.Pool.update(state="missing").where(model.Pool.id == 0).execute()
    result = origo(core, monkeypatch, "engine", "backup")
    assert result.stdout == "engine origo is backed up into pool cellar\n", (result.output, result.exception)
    assert result.exit_code == 1
    assert "pool default is missing" in result.stderr
    well = origo(core, monkeypatch, "engine", "backup", "--pool", "cellar")
    assert well.exit_code == 0 and well.stderr == ""
    planned = origo(core, monkeypatch, "engine", "backup", "--pool", "cellar", "--plan")
    assert planned.stdout.startswith("into pool cellar:\n1. write the backup")


def test_no_backup_is_written_into_a_pool_of_another_engine_and_none_there_is_removed(core: Core, key: str) -> None:
    folder = Path(pools.find(0).path, "engine")
    theirs = [f"{number:08}-20200101-000000-0123abcd.backup" for number in range(1, copying.KEPT + 1)]
    for name in theirs:
        (folder / name).touch()
    (folder / "notes.json").write_text('{"schema": 1, "engine": {"id": "another", "name": "lab"}}')
    row = core.operations.submit(copying.BackUpEngine(), {"pool": 0, "begun": 1.8e9}, by=SYSTEM.id)
    ended = core.operations.wait(row.id, 20)
    assert ended.status == "undone" and "it has the images of another engine, lab" in ended.error["message"]
    keeping.ensure(core, open_all=True)
    backups.nightly(core)
    assert sorted(stored(core)) == theirs


def test_a_backup_that_does_not_know_a_running_server_is_not_taken_until_that_is_down(core: Core, key: str) -> None:
    kinds.run(core, servers.CreateServer(), **kinds.wanted_server() | {"name": "later", "disks": []})
    later = model.Server.get(model.Server.name == "later")
    model.Server.update(state="trashed").where(model.Server.id == later.id).execute()
    back_up(core)
    model.Server.update(state="ready").where(model.Server.id == later.id).execute()
    args = {"pool": 0, "name": "", "lost": None, "key": core.secrets.seal(key)}
    refused = core.operations.wait(core.operations.submit(copying.RestoreEngine(), args, by=SYSTEM.id).id, 20)
    assert refused.status == "undone" and "it knows nothing of what runs: later" in refused.error["message"]
    assert "origo servers shutdown" in refused.error["hint"]
    kinds.run(core, servers.PowerOffServer(), server=later.id, **kinds.MINE)
    kinds.run(core, copying.RestoreEngine(), **args)
