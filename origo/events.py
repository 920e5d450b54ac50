"""What happened, for whoever listens: a bounded log in the database that wakes its readers after each commit."""

from __future__ import annotations

import bisect
import operator
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee

from origo.model import EventRow, database

GATHER = 0.1
"""Seconds that a reader sleeps on after the first event, so that a burst wakes it once."""


@dataclass(frozen=True)
class Event:
    """Something happened to a noun. `id` grows with time; an empty `owner` is for administrators only."""

    kind: str
    noun: str
    target: str
    owner: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    time: float = 0.0


class Events:
    """Writes events inside the caller's transaction and shows them to readers once that is committed.

    Idle readers cost nothing: they sleep until a commit, and what is new is read from the database once for all.
    """

    def __init__(self, keep: int = 50_000, tail: int = 2_000) -> None:
        """Keep the newest `keep` events in the database, and at least the newest `tail` of them in memory."""
        self._keep = keep
        self._changed = threading.Condition()
        self._tail_length = tail
        self._tail: list[Event] = []
        self._newest = self._before_tail = _newest()
        self._unpruned = 0

    def emit(self, kind: str, noun: str, target: str, /, owner: str = "", **data: Any) -> None:
        """Say that something happened; it is seen by others when the transaction around this is committed."""
        self.emit_many([Event(kind, noun, target, owner, data)])

    def emit_many(self, events: Sequence[Event]) -> None:
        """Say many things at once, in this order, for the price of little more than one."""
        if not events:
            return
        now = time.time()
        rows = [
            {"time": now, "kind": e.kind, "noun": e.noun, "target": e.target, "owner": e.owner, "data": e.data}
            for e in events
        ]
        with database.atomic():
            for start in range(0, len(rows), 100):
                EventRow.insert_many(rows[start : start + 100]).execute()
            self._prune(len(rows))
            database.after_commit(self._publish)

    def since(self, id: int, limit: int = 100, visible_to: str | None = None) -> list[Event]:
        """At most `limit` events after that id, oldest first; only those of the user `visible_to`, or all with None."""
        with self._changed:
            if self._before_tail <= id < self._newest:
                fresh = self._tail[bisect.bisect_right(self._tail, id, key=operator.attrgetter("id")) :]
                return [event for event in fresh if visible_to in (None, event.owner)][:limit]
        query = EventRow.select().where(EventRow.id > id)
        if visible_to is not None:
            query = query.where(EventRow.owner == visible_to)
        return [_event(row) for row in query.order_by(EventRow.id).limit(limit)]

    def newest(self) -> int:
        """The id of the last event that was committed."""
        with self._changed:
            self._refresh()
            return self._newest

    def wait(self, after_id: int, seconds: float) -> int:
        """Sleep until there is an event after that id, or the time is over; the id of the newest one.

        A reader that sees only its own events goes on from what this returned, not from the last one it was shown.
        """
        end = time.monotonic() + seconds
        with self._changed:
            if self._newest <= after_id:
                self._refresh()
            asleep = self._newest <= after_id
            while self._newest <= after_id and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
        if asleep:
            time.sleep(max(0.0, min(GATHER, end - time.monotonic())))
        return self._newest

    def _publish(self) -> None:
        with self._changed:
            self._refresh()
            self._changed.notify_all()

    def _refresh(self) -> None:
        """Take into memory what was committed since; ids are in the order of commits, for there is one writer."""
        fresh = [_event(row) for row in EventRow.select().where(EventRow.id > self._newest).order_by(EventRow.id)]
        if fresh:
            self._tail += fresh
            self._newest = fresh[-1].id
            if len(self._tail) > 2 * self._tail_length:
                self._before_tail = self._tail[-self._tail_length - 1].id
                del self._tail[: -self._tail_length]

    def _prune(self, added: int) -> None:
        """Forget the oldest now and then: a range of the primary key, so that it costs what it removes."""
        self._unpruned += added
        if self._unpruned >= max(1, self._keep // 100):
            self._unpruned = 0
            EventRow.delete().where(EventRow.id <= _newest() - self._keep).execute()


def _newest() -> int:
    return EventRow.select(peewee.fn.MAX(EventRow.id)).scalar() or 0


def _event(row: EventRow) -> Event:
    return Event(row.kind, row.noun, row.target, row.owner, row.data, row.id, row.time)
