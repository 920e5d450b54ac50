"""How far running operations are and what they say: gathered from any thread, written at most four times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import peewee

from origo import log
from origo.errors import NoRoom
from origo.events import Event, Events
from origo.model import OperationRow, database
from origo.operations.journal import write_lines

_log = log.get("operations")

INTERVAL = 0.25
MAX_PENDING = 2_000
"""Lines that are kept for an operation until they are written; of a flood only the newest are."""


@dataclass
class Pending:
    """What one operation told since it was last written; `shown` is the percentage of the last event."""

    row: OperationRow
    step: int
    fraction: float | None = None
    note: str = ""
    shown: tuple[int, str] = (-1, "")
    lines: list[str] = field(default_factory=list)


class Progress:
    """One thread writes for all operations, in one transaction, so that fifty of them cost hardly more than one."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._changed = threading.Condition()
        self._pending: dict[int, Pending] = {}
        self._dirty: set[int] = set()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="operations-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def open(self, row: OperationRow) -> None:
        """Take an operation in hand at the step where it is now."""
        with self._changed:
            known = self._pending.get(row.id)
            if known is None:
                self._pending[row.id] = Pending(row, row.step)
            else:
                known.row, known.step, known.fraction, known.note = row, row.step, None, ""

    def close(self, id: int) -> None:
        """Forget an operation that nobody works at any more."""
        with self._changed:
            self._pending.pop(id, None)
            self._dirty.discard(id)

    def report(self, id: int, fraction: float, note: str) -> None:
        """Tell how far the whole operation is; from any thread."""
        with self._changed:
            if (pending := self._pending.get(id)) is not None:
                pending.fraction, pending.note = min(1.0, max(0.0, fraction)), note
                self._mark(id)

    def log(self, id: int, text: str) -> None:
        """Add a line to the operation's log; from any thread."""
        with self._changed:
            if (pending := self._pending.get(id)) is not None:
                pending.lines.append(text)
                del pending.lines[:-MAX_PENDING]
                self._mark(id)

    def take_lines(self, id: int) -> list[str]:
        """The lines not yet written, for a transaction that is about to be made anyway."""
        with self._changed:
            if (pending := self._pending.get(id)) is None:
                return []
            lines, pending.lines = pending.lines, []
            return lines

    def _mark(self, id: int) -> None:
        if not self._dirty:
            self._changed.notify()
        self._dirty.add(id)

    def _loop(self) -> None:
        # Open for as long as the engine runs: whenever the last connection is closed, SQLite copies its whole log.
        with database.connection_context():
            self._write_until_stopped()

    def _write_until_stopped(self) -> None:
        while True:
            with self._changed:
                while not self._dirty and not self._stopping:
                    self._changed.wait()
                if self._stopping and not self._dirty:
                    return
            started = time.monotonic()
            try:
                self._write()
            except (peewee.DatabaseError, NoRoom):
                _log.exception("cannot write the progress of operations")
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, max(0.0, started + INTERVAL - time.monotonic()))

    def _write(self) -> None:
        with self._changed:
            taken = []
            for id in self._dirty:
                pending = self._pending[id]
                taken.append((pending, pending.step, pending.fraction, pending.note, pending.lines))
                pending.lines = []
            self._dirty.clear()
        events = []
        with database.atomic():
            for pending, step, fraction, note, lines in taken:
                write_lines(pending.row.id, lines)
                if fraction is not None and _store(pending.row, step, fraction, note):
                    shown = (int(fraction * 100), note)
                    if shown != pending.shown:
                        pending.shown = shown
                        events.append(_event(pending.row, fraction, note))
            self._events.emit_many(events)


def _store(row: OperationRow, step: int, fraction: float, note: str) -> bool:
    """Unless the operation has gone on meanwhile: then this is old."""
    query = OperationRow.update(progress=fraction, note=note[:200])
    where = (OperationRow.id == row.id, OperationRow.step == step, OperationRow.status << ("running", "undoing"))
    return bool(query.where(*where).execute())


def _event(row: OperationRow, fraction: float, note: str) -> Event:
    data = {"kind": row.kind, "noun": row.noun, "target": row.target, "progress": round(fraction, 4), "note": note}
    return Event("operation.progress", "operations", str(row.id), row.owner, data)
