"""The journal: every change of an operation's state is one transaction, with its log lines, rows and event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from origo.errors import Conflict, NotFound, OrigoError
from origo.events import Events
from origo.model import OperationLog, OperationRow, database
from origo.operations import plan as plans
from origo.operations.base import Context, Key, Lock, Mode, Operation

UNFINISHED = ("queued", "running", "undoing", "stuck")
"""The states in which an operation still holds or waits for its locks."""

KEPT = 20_000
"""How many of the newest operations are kept; older ones go once they have ended."""
SWEEP = 250
"""How many are submitted between two looks for old ones."""
MAX_LINE = 2_000
"""How much of a line the log keeps."""


def find(id: int) -> OperationRow:
    """The row of an operation. Raises NotFound."""
    row = OperationRow.get_or_none(OperationRow.id == id)
    if row is None:
        raise NotFound(f"cannot find operation {id}")
    return row


def sentence(error: OrigoError) -> dict[str, Any]:
    """An error as the journal keeps it."""
    return plans.plain(error.as_dict())


def locks(row: OperationRow) -> list[Lock]:
    """The locks of an operation."""
    return [Lock(name, Mode(mode)) for name, mode in row.locks]


class Journal:
    """Writes the states of operations. `on_stuck` is called inside the transaction in which one gets stuck, or is not
    any more, so that what it writes agrees with the journal."""

    def __init__(self, events: Events, on_stuck: Callable[[OperationRow], None]) -> None:
        self._events = events
        self._on_stuck = on_stuck

    def queue(self, operation: Operation, context: Context, key: Key | None) -> OperationRow:
        """Enter a prepared operation; part of the transaction of its `prepare`."""
        row = OperationRow.create(
            kind=operation.kind,
            noun=operation.targets,
            target=operation.target(context),
            args=context.args,
            data=context.data,
            locks=[[lock.name, lock.mode] for lock in operation.locks(context)],
            steps=[step.name for step in operation.steps(context)],
            by=context.by,
            owner=operation.owner(context),
            created=time.time(),
            key=key and key.text,
            request=key.request if key else "",
        )
        self._tell(row, "queued")
        if row.id % SWEEP == 0:
            old = (OperationRow.id <= row.id - KEPT) & OperationRow.ended.is_null(False)
            OperationRow.delete().where(old).execute()
        return row

    def begin(self, row: OperationRow, error: dict[str, Any] | None) -> bool:
        """Take a queued operation up, backwards at once if there is an error; False if it was cancelled meanwhile."""
        changes: dict[str, Any] = {"status": "running", "started": time.time(), "data": row.data}
        if error is not None:
            changes |= {"status": "undoing", "backwards": True, "error": error}
        with database.atomic():
            query = OperationRow.update(**changes)
            if not query.where(OperationRow.id == row.id, OperationRow.status == "queued").execute():
                return False
            for name, value in changes.items():
                setattr(row, name, value)
            self._tell(row, "started")
        return True

    def advance(self, row: OperationRow, lines: Sequence[str], finish: Callable[[], None]) -> None:
        """One step more is done; after the last one the operation is, with the rows that `finish` writes."""
        with database.atomic():
            step = row.step + 1
            if step < len(row.steps):
                self._save(row, lines, step=step, attempts=0, progress=step / len(row.steps), note="", error=None)
            else:
                finish()
                self._end(row, lines, "done", step=len(row.steps), progress=1.0, error=None)

    def turn_back(self, row: OperationRow, error: dict[str, Any], step: int, lines: Sequence[str]) -> None:
        """From now on it goes backwards, because of `error`; `step` steps are to be undone."""
        with database.atomic():
            self._save(row, lines, status="undoing", backwards=True, step=step, error=error, attempts=0, note="")

    def retreat(self, row: OperationRow, lines: Sequence[str], release: Callable[[], None]) -> None:
        """One step more is undone; with the first one the operation is, and `release` gives its rows back."""
        with database.atomic():
            step = max(0, row.step - 1)
            if step:
                self._save(row, lines, step=step, attempts=0, progress=step / len(row.steps), note="")
            else:
                release()
                self._end(row, lines, "undone", step=0, progress=0.0, backwards=True)

    def give_up(self, row: OperationRow, error: dict[str, Any], release: Callable[[], None]) -> bool:
        """End an operation before its first step; False if a queued one was taken up or ended meanwhile."""
        with database.atomic():
            if find(row.id).status != row.status:
                return False
            release()
            self._end(row, [], "undone", error=error, backwards=True)
        return True

    def failed(self, row: OperationRow, error: dict[str, Any], lines: Sequence[str], stuck: bool) -> None:
        """An attempt failed that will be made again: by itself, or if `stuck` when a person says so."""
        with database.atomic():
            changes: dict[str, Any] = {"attempts": row.attempts + 1, "note": error["message"]}
            if row.error is None or not row.backwards:
                changes["error"] = error
            if stuck:
                changes["status"] = "stuck"
            self._save(row, lines, **changes)
            if stuck:
                self._on_stuck(row)
                self._tell(row, "stuck", error=row.error)

    def cancel(self, row: OperationRow) -> None:
        """Remember that a person does not want it any more."""
        with database.atomic():
            self._save(row, ["cancelled by a person"], cancel=True)

    def retry(self, id: int) -> OperationRow:
        """A stuck operation goes on where it was. Raises NotFound, Conflict."""
        with database.atomic():
            row = _stuck(id, "retry")
            status = "queued" if row.started is None else "undoing" if row.backwards else "running"
            changes = {} if row.backwards else {"error": None}
            self._save(row, ["a person asked to try again"], status=status, attempts=0, note="", **changes)
            self._on_stuck(row)
            self._tell(row, "started")
        return row

    def forget(self, id: int, end: Callable[[OperationRow], None]) -> OperationRow:
        """A stuck operation ends as if the steps that are left had worked. Raises NotFound, Conflict."""
        with database.atomic():
            row = _stuck(id, "forget")
            end(row)
            backwards = row.backwards or row.started is None
            left = f"forgotten with {row.step if backwards else len(row.steps) - row.step} steps left"
            self._end(row, [f"a person gave it up: {left}"], "undone" if backwards else "done", note=left)
            self._on_stuck(row)
        return row

    def keep(self, row: OperationRow, data: dict[str, Any]) -> None:
        """Remember a name that a step could not know before."""
        row.data = data
        OperationRow.update(data=data).where(OperationRow.id == row.id).execute()

    def _end(self, row: OperationRow, lines: Sequence[str], status: str, **changes: Any) -> None:
        self._save(row, lines, **{"note": "", "attempts": 0, **changes}, status=status, ended=time.time())
        self._tell(row, status, error=row.error)

    def _save(self, row: OperationRow, lines: Iterable[str], **changes: Any) -> None:
        write_lines(row.id, lines)
        OperationRow.update(**changes).where(OperationRow.id == row.id).execute()
        for name, value in changes.items():
            setattr(row, name, value)

    def _tell(self, row: OperationRow, what: str, **data: Any) -> None:
        facts = {"kind": row.kind, "noun": row.noun, "target": row.target, **data}
        self._events.emit(f"operation.{what}", "operations", str(row.id), row.owner, **facts)


def write_lines(id: int, lines: Iterable[str]) -> None:
    """Add lines to an operation's log."""
    now = time.time()
    rows = [{"operation": id, "time": now, "text": line[:MAX_LINE]} for line in lines]
    for start in range(0, len(rows), 200):
        OperationLog.insert_many(rows[start : start + 200]).execute()


def _stuck(id: int, verb: str) -> OperationRow:
    row = find(id)
    if row.status != "stuck":
        raise Conflict(f"cannot {verb} operation {id}: it is {row.status}, not stuck")
    return row
