"""What is promised of the threads that write by themselves: a disk that was full ends none of them."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peewee
import pytest

from origo import app, model
from origo.errors import NoRoom
from origo.events import Events
from origo.operations import progress
from origo.services import issues

FULL = NoRoom("cannot write to the engine's database: its disk is full")


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    model.connect(str(tmp_path / "origo.db"))
    model.database.create_tables(model.ROWS)
    yield Events()
    model.database.close()


def soon(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_progress_is_written_again_once_there_is_room(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Event()

    def write_lines(id: int, lines: list[str]) -> None:
        tried.set()
        raise FULL

    about = {"kind": "servers.start", "noun": "servers", "target": "a", "by": "", "owner": "", "args": {}}
    row = model.OperationRow.create(**about, status="running", created=1.0)
    writer = progress.Progress(events)
    writer.start()
    writer.open(row)
    with monkeypatch.context() as full:
        full.setattr(progress, "write_lines", write_lines)
        writer.log(row.id, "lost")
        assert tried.wait(5)
        time.sleep(0.1)
    writer.log(row.id, "kept")
    writer.report(row.id, 0.5, "half")
    soon(lambda: model.OperationRow.get_by_id(row.id).progress == 0.5)
    writer.stop()
    assert [line.text for line in row.lines] == ["kept"]


class Attempting(app.App):
    """An engine of which only that part is there that does duties."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self.core: Any = SimpleNamespace(events=None)


@pytest.mark.parametrize("problem", [FULL, peewee.OperationalError("no such savepoint"), OSError("no space left")])
def test_a_duty_whose_failure_cannot_be_noted_keeps_no_other_from_being_done(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    done = []
    monkeypatch.setattr(issues, "raise_", fail)
    monkeypatch.setattr(issues, "end", lambda *_: None)
    engine = Attempting()
    engine._attempt("pools", fail)
    engine._attempt("room", lambda: done.append("room"))
    assert done == ["room"]
