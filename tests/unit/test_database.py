"""What is promised to who writes: nobody waits for long, and nobody's failure holds the others up."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import peewee
import pytest

from origo import model, reserve
from origo.errors import NoRoom
from origo.model import Label, database


@pytest.fixture(autouse=True)
def path(tmp_path: Path) -> Iterator[Path]:
    model.connect(str(tmp_path / "origo.db"))
    database.create_tables(model.ROWS)
    yield tmp_path / "origo.db"
    database.close()


def add(label: str) -> None:
    Label.create(label=label, created=1.0)


def test_nobody_else_on_the_machine_can_read_the_database(path: Path) -> None:
    database.close()
    path.chmod(0o644)
    model.connect(str(path))
    add("secret")
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("origo.db*")} == {
        "origo.db": 0o600,
        "origo.db-wal": 0o600,
        "origo.db-shm": 0o600,
    }


def test_one_writer_among_many_busy_ones_waits_a_moment_only() -> None:
    stop = threading.Event()

    def write(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            with database.atomic():
                add(f"{number}-{count}")
        database.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    waited = []
    for count in range(100):
        started = time.perf_counter()
        add(f"mine-{count}")
        waited.append(time.perf_counter() - started)
        time.sleep(0.005)
    stop.set()
    for writer in writers:
        writer.join()
    assert sorted(waited)[94] < 0.2


@pytest.mark.parametrize("breaks", ["inside", "commit"])
def test_a_transaction_that_fails_leaves_the_turn_to_the_next(breaks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise peewee.OperationalError("disk full")

    with monkeypatch.context() as patch, pytest.raises(peewee.OperationalError), database.atomic():
        add("lost")
        if breaks == "inside":
            raise peewee.OperationalError("no such thing")
        patch.setattr(peewee.Database, "commit", fail)
    done = threading.Thread(target=lambda: (add("kept"), database.close()))
    done.start()
    done.join(5)
    assert [row.label for row in Label.select()] == ["kept"]


def test_two_who_read_and_then_write_never_lose_a_change() -> None:
    add("count")

    def count() -> None:
        for _ in range(50):
            with database.atomic():
                row = Label.get_by_id("count")
                Label.update(created=row.created + 1).where(Label.label == "count").execute()
        database.close()

    counters = [threading.Thread(target=count) for _ in range(4)]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()
    assert Label.get_by_id("count").created == 201


def test_every_commit_is_on_disk_before_it_returns_and_references_hold(path: Path) -> None:
    assert database.execute_sql("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute_sql("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(peewee.IntegrityError, match="FOREIGN KEY"):
        model.Token.create(user="nobody", name="t", secret="s")  # noqa: S106
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT COUNT(*) FROM token").fetchone() == (0,)


def test_rows_that_are_looped_over_may_be_changed_though_others_write_meanwhile() -> None:
    database.connect(reuse_if_open=True)
    for number in range(300):
        add(str(number))
    for count, row in enumerate(Label.select().order_by(Label.label)):
        if count < 3:
            other = threading.Thread(target=lambda count=count: (add(f"other-{count}"), database.close()))
            other.start()
            other.join(5)
        with database.atomic():
            Label.update(created=2.0).where(Label.label == row.label).execute()
    assert Label.select().where(Label.created == 2.0).count() == 300


def only_so_many_pages(more: int) -> None:
    """Have the database be full once it has grown by that many."""
    pages = database.execute_sql("PRAGMA page_count").fetchone()[0]
    database.execute_sql(f"PRAGMA max_page_count = {pages + more}")


@pytest.mark.parametrize("transactions", range(4))
def test_a_write_that_finds_no_room_is_a_sentence_and_the_next_one_works(transactions: int) -> None:
    only_so_many_pages(0)
    with pytest.raises(NoRoom, match="cannot write to the engine's database: its disk is full"), ExitStack() as around:
        for _ in range(transactions):
            around.enter_context(database.atomic())
        add("x" * 1_000_000)
    only_so_many_pages(100)
    with database.atomic():
        add("kept")
    assert [row.label for row in Label.select()] == ["kept"]


def test_nothing_is_written_by_who_goes_on_in_a_transaction_that_found_no_room() -> None:
    only_so_many_pages(0)
    with pytest.raises(peewee.OperationalError, match="rolled back"), database.atomic():
        with contextlib.suppress(NoRoom), database.atomic():
            add("x" * 1_000_000)
        with database.atomic():
            add("half")
    add("kept")
    assert [row.label for row in Label.select()] == ["kept"]


def test_what_finds_no_room_alone_is_written_with_the_room_that_was_kept_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def give(home: Path) -> None:
        given.append(home)
        only_so_many_pages(1000)

    monkeypatch.setattr(reserve, "give", give)
    only_so_many_pages(0)
    add("x" * 1_000_000)
    assert given == [path.parent] and len(Label.get().label) == 1_000_000


def test_a_transaction_on_a_full_disk_begins_with_the_room_that_was_kept_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = path.with_name(reserve.FILE)
    kept.write_bytes(b"room")
    with database.atomic():
        add("there is room")
    assert kept.exists()
    monkeypatch.setattr(reserve, "last", lambda home: 0)
    with database.atomic():
        assert not kept.exists()
