"""What is promised to who upgrades: no database is lost, half changed, or opened by a program too old for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import peewee
import pytest

from origo import model
from origo.errors import Conflict, NoRoom, OrigoError, Unavailable
from origo.model.migrations import MIGRATIONS, migrate


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "origo.db"
    model.connect(str(path))
    yield path
    model.database.close()


def schema(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as database:
        tables = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())
    return {name: sql for name, sql in tables.items() if "_trigrams" not in name}


def add_colour(database: peewee.Database) -> None:
    database.execute_sql("ALTER TABLE user ADD COLUMN colour VARCHAR(255) NOT NULL DEFAULT 'blue'")


def test_a_new_database_has_the_tables_of_today_s_rows(path: Path, tmp_path: Path) -> None:
    migrate()
    model.database.close()
    model.connect(str(tmp_path / "rows.db"))
    model.database.create_tables(model.ROWS)
    expected, made = schema(tmp_path / "rows.db"), schema(path)
    wrong = {
        name: (made.get(name), expected.get(name)) for name in made | expected if made.get(name) != expected.get(name)
    }
    assert not wrong, "rows and migrations differ: append a migration (before the first release, edit m0001_first.py)"
    assert [name for name, _ in MIGRATIONS] == sorted({name for name, _ in MIGRATIONS})


def test_a_second_start_changes_nothing_and_copies_nothing(path: Path) -> None:
    assert migrate() == [name for name, _ in MIGRATIONS]
    assert migrate() == []
    assert [file.name for file in path.parent.glob("*before*")] == []


def test_an_upgrade_copies_the_database_first_and_keeps_its_rows(path: Path) -> None:
    migrate()
    model.User.create(name="ada")
    assert migrate([*MIGRATIONS, ("9001-colour", add_colour)]) == ["9001-colour"]
    assert model.database.execute_sql("SELECT name, colour FROM user").fetchall() == [("ada", "blue")]
    copy = path.with_name("origo.db.before-9001-colour")
    assert "colour" not in schema(copy)["user"] and copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as database:
        assert database.execute("SELECT name FROM user").fetchall() == [("ada",)]


def test_an_upgrade_that_finds_no_room_for_the_copy_is_a_sentence_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(file: Path, real: Callable[[Path], sqlite3.Connection] = sqlite3.connect) -> sqlite3.Connection:
        copy = real(file)
        copy.execute("PRAGMA max_page_count = 2")
        return copy

    migrate()
    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(NoRoom, match="cannot copy the database before its upgrade: .*full") as caught:
        migrate([*MIGRATIONS, ("9001-colour", add_colour)])
    assert "free some space" in caught.value.hint
    assert [file.name for file in path.parent.glob("*before*")] == []
    assert "colour" not in {column.name for column in model.database.get_columns("user")}


def test_a_newer_database_is_refused_with_a_sentence(path: Path) -> None:
    migrate([*MIGRATIONS, ("9001-colour", add_colour)])
    with pytest.raises(Conflict, match="cannot open the database .*origo.db: it belongs to a newer version") as caught:
        migrate()
    assert "restore the copy" in caught.value.hint


def test_a_file_that_is_no_database_is_said(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)
    with pytest.raises(Unavailable, match="cannot open the database .*origo.db: file is not a database"):
        migrate()


def test_a_change_that_fails_leaves_the_database_as_it_was(path: Path) -> None:
    def half(database: peewee.Database) -> None:
        add_colour(database)
        raise RuntimeError("the power went")

    migrate()
    before = schema(path)
    with pytest.raises(RuntimeError):
        migrate([*MIGRATIONS, ("9001-half", half)])
    assert schema(path) == before
    assert migrate([*MIGRATIONS, ("9001-half", add_colour)]) == ["9001-half"]


def test_a_change_may_rebuild_a_table_that_others_refer_to_but_not_lose_what_they_refer_to(path: Path) -> None:
    def rebuild(database: peewee.Database) -> None:
        database.execute_sql("CREATE TABLE other AS SELECT * FROM user")
        database.execute_sql("DROP TABLE user")
        database.execute_sql('CREATE TABLE "user" ("id" VARCHAR(255) NOT NULL PRIMARY KEY, "name" VARCHAR(255))')
        database.execute_sql("INSERT INTO user SELECT id, name FROM other")
        database.execute_sql("DROP TABLE other")

    def lose(database: peewee.Database) -> None:
        database.execute_sql("DELETE FROM user")

    migrate()
    user = model.User.create(name="ada")
    model.Token.create(user=user, name="t", secret="s")  # noqa: S106
    with pytest.raises(OrigoError, match="it breaks references of token"):
        migrate([*MIGRATIONS, ("9001-lose", lose)])
    migrate([*MIGRATIONS, ("9001-rebuild", rebuild)])
    assert model.Token.select().count() == 1
    assert model.database.execute_sql("PRAGMA foreign_keys").fetchone() == (1,)


def test_the_lists_that_grow_are_read_along_an_index(path: Path) -> None:
    migrate()
    queries = [
        model.Server.select().order_by(model.Server.created, model.Server.id),
        model.Server.select().where(model.Server.owner == "u").order_by(model.Server.created),
        model.EventRow.select().where(model.EventRow.owner == "u", model.EventRow.id > 5).order_by(model.EventRow.id),
        model.OperationRow.select().where(model.OperationRow.status << ("queued", "running")),
        model.OperationRow.select().where(model.OperationRow.owner == "u").order_by(model.OperationRow.id.desc()),
        model.OperationRow.select().where(model.OperationRow.noun == "servers", model.OperationRow.target == "t"),
        model.Connection.select().where(model.Connection.server == "s"),
        model.Disk.select().where(model.Disk.server == "s"),
    ]
    for query in queries:
        sql, values = query.limit(10).sql()
        lines = model.database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        assert all("INDEX" in line[3] or "RIGHT PART" in line[3] for line in lines), (sql, lines)
