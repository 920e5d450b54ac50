"""What is promised to who listens: every committed event once and in order, none that was rolled back, and quickly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from origo import model
from origo.events import GATHER, Event, Events


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    model.connect(str(tmp_path / "origo.db"))
    model.database.create_tables(model.ROWS)
    yield Events(keep=200, tail=20)
    model.database.close()


def targets(found: list[Event]) -> list[str]:
    return [event.target for event in found]


def test_what_is_emitted_is_read_in_order_by_those_who_may_see_it(events: Events) -> None:
    events.emit("server.started", "servers", "a", owner="ada", memory=64)
    events.emit("pool.full", "pools", "0")
    events.emit_many([Event("server.started", "servers", "b", "bob"), Event("server.stopped", "servers", "a", "ada")])
    assert targets(events.since(0)) == ["a", "0", "b", "a"]
    assert targets(events.since(0, visible_to="ada")) == ["a", "a"]
    assert targets(events.since(1, limit=2)) == ["0", "b"]
    first = events.since(0)[0]
    assert (first.kind, first.noun, first.data) == ("server.started", "servers", {"memory": 64})
    assert abs(first.time - time.time()) < 5


def test_an_event_of_a_transaction_that_failed_never_was(events: Events) -> None:
    with pytest.raises(ZeroDivisionError), model.database.atomic():
        events.emit("a.b", "a", "lost")
        1 / 0  # noqa: B018
    with model.database.atomic():
        with pytest.raises(ZeroDivisionError), model.database.atomic():
            events.emit("a.b", "a", "lost too")
            1 / 0  # noqa: B018
        events.emit("a.b", "a", "kept")
    assert events.wait(0, 0) == events.newest() == 1
    assert targets(events.since(0)) == ["kept"]


def test_a_reader_is_woken_by_the_commit_and_not_before(events: Events) -> None:
    seen: list[float] = []

    def read() -> None:
        events.wait(0, 5)
        seen.append(time.monotonic())
        model.database.close()

    reader = threading.Thread(target=read)
    reader.start()
    with model.database.atomic():
        events.emit("a.b", "a", "x")
        time.sleep(0.1)
        committing = time.monotonic()
    reader.join()
    assert committing <= seen[0] < committing + 0.5


def test_waiting_ends_after_its_time_and_asks_the_database_once(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(events, "_refresh", lambda: asked.append(1))
    started = time.monotonic()
    assert events.wait(0, 0.2) == 0
    assert 0.2 <= time.monotonic() - started < 0.5 and len(asked) == 1


def test_the_log_is_bounded_and_its_ids_only_grow(events: Events) -> None:
    for number in range(500):
        events.emit("a.b", "a", str(number))
    kept = events.since(0, 1000)
    assert 200 <= len(kept) <= 205 and kept[-1].target == "499"
    assert Events(keep=200).wait(0, 0) == kept[-1].id == 500


def test_many_writers_and_readers_lose_nothing(events: Events) -> None:
    events = Events(keep=10_000, tail=50)
    got: list[list[int]] = [[] for _ in range(8)]

    def write(number: int) -> None:
        for count in range(50):
            events.emit("a.b", "a", f"{number}-{count}", owner="ada" if count % 2 else "bob")
        model.database.close()

    def read(mine: list[int], user: str | None) -> None:
        position, end = 0, time.monotonic() + 20
        while len(mine) < (200 if user is None else 100) and time.monotonic() < end:
            newest = events.wait(position, 1)
            found = events.since(position, 30, user)
            mine += [event.id for event in found]
            position = found[-1].id if len(found) == 30 else max(newest, found[-1].id if found else 0)
        model.database.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=read, args=(mine, None if i % 2 else "ada")) for i, mine in enumerate(got)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[1] == list(range(1, 201))
    assert all(mine == got[i % 2] and len(mine) == (200 if i % 2 else 100) for i, mine in enumerate(got))


def test_a_burst_of_a_hundred_events_wakes_each_of_thirty_streams_a_few_times(events: Events) -> None:
    events, stop = Events(), threading.Event()
    woken, seen = [0] * 30, [0] * 30

    def stream(number: int) -> None:
        position = 0
        while not stop.is_set() or seen[number] < 100:
            newest = events.wait(position, 5)
            woken[number] += 1
            found = events.since(position, 100)
            seen[number] += len(found)
            position = found[-1].id if found else newest
        model.database.close()

    streams = [threading.Thread(target=stream, args=(number,)) for number in range(30)]
    for thread in streams:
        thread.start()
    began = time.monotonic()
    for _ in range(100):
        events.emit("server.state", "servers", "x", owner="ada", state="running")
    gathered = (time.monotonic() - began) / GATHER + 1
    stop.set()
    for thread in streams:
        thread.join()
    assert seen == [100] * 30
    assert max(woken) <= 2 * gathered + 2, f"woken {max(woken)} times in {gathered:.1f} spans"
