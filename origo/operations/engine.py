"""The engine: takes operations, runs each with its locks held, and continues after a restart what is not finished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, overload

from origo import log
from origo.errors import Cancelled, Conflict, OrigoError
from origo.events import Events
from origo.model import OperationLog, OperationRow, database
from origo.operations import journal
from origo.operations import plan as plans
from origo.operations.base import Context, Key, Operation
from origo.operations.core import Core
from origo.operations.journal import UNFINISHED, Journal
from origo.operations.locks import LockTable
from origo.operations.plan import Plan
from origo.operations.progress import Progress
from origo.operations.queue import Workers
from origo.operations.run import Run, Surroundings, committed

_log = log.get("operations")

BACKOFF = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds between the attempts at a step that can only be repeated; after the last one the operation is stuck."""

UNREADABLE = 5.0
"""Seconds until an operation is taken up again whose journal could not be read or written, such as on a full disk."""


class _Rolled(Exception):
    """Ends the transaction of a plan, which leaves nothing behind."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


class Engine:
    """Runs operations. `core` is set by the spine once the core is made, before the first operation is submitted."""

    core: Core

    def __init__(
        self,
        events: Events,
        end_group: Callable[[str], None],
        *,
        workers: int = 16,
        backoff: Sequence[float] = BACKOFF,
        on_stuck: Callable[[OperationRow], None] = lambda row: None,
        admit: Callable[[str, int], None] = lambda kind, disk_bytes: None,
    ) -> None:
        """`end_group` ends all processes of a job's group on every host, and returns when they are gone.

        `on_stuck` is called inside the transaction in which an operation gets stuck or ceases to be (its status tells).
        `admit` is asked before one is queued, with its kind and the bytes of disk that it takes; it raises to refuse.
        """
        self._kinds: dict[str, Operation] = {}
        self._end_group = end_group
        self._backoff = backoff
        self._admit = admit
        self._journal = Journal(events, on_stuck)
        self._progress = Progress(events)
        self._workers = Workers(workers, self._work)
        self._guard = threading.Lock()
        self._locks = LockTable()
        self._cancelled: set[int] = set()
        self._waiting: dict[int, list[threading.Event]] = {}
        self._started = self._stopping = False

    def register(self, kinds: Iterable[type[Operation]]) -> None:
        """Make kinds of operations known; a kind is never another's."""
        for kind in kinds:
            known = self._kinds.setdefault(kind.kind, kind())
            if type(known) is not kind:
                raise ValueError(f"the kind {kind.kind} is there twice: {type(known)} and {kind}")

    def kinds(self) -> dict[str, Operation]:
        """All kinds that are known, by name."""
        return dict(self._kinds)

    @overload
    def submit(
        self,
        operation: Operation,
        args: dict[str, Any],
        *,
        by: str,
        plan: Literal[False] = False,
        key: Key | None = None,
    ) -> OperationRow: ...

    @overload
    def submit(
        self, operation: Operation, args: dict[str, Any], *, by: str, plan: bool, key: Key | None = None
    ) -> OperationRow | Plan: ...

    def submit(
        self, operation: Operation, args: dict[str, Any], *, by: str, plan: bool = False, key: Key | None = None
    ) -> OperationRow | Plan:
        """Prepare an operation and enter it into the journal, in one transaction; it runs as soon as it has its locks.

        With `plan` nothing is changed and the plan returned. With the same `key` as an `earlier` request it is that
        one's operation. Raises whatever `look` and `prepare` find wrong.
        """
        if operation.kind not in self._kinds:
            raise ValueError(f"the kind {operation.kind} is not registered")
        args = plans.plain(args)
        key = None if plan else key
        if (earlier := self.earlier(by, key)) is not None:
            return earlier
        context = Context(core=self.core, args=args, data={}, by=by)
        try:
            operation.look(context)
        except OrigoError:
            # It may be refused since the same request, a moment earlier, has begun already.
            if (earlier := self.earlier(by, key)) is not None:
                return earlier
            raise
        if plan:
            return self._plan(operation, context)
        with database.atomic():
            if (earlier := self.earlier(by, key)) is not None:
                return earlier
            self._prepare(operation, context)
            row = self._journal.queue(operation, context, key)
            database.after_commit(lambda: self._join(row))
        return row

    def earlier(self, by: str, key: Key | None) -> OperationRow | None:
        """The operation that this user's request with the same key began, if there was one; without a key, none.

        Raises Conflict when that was another request.
        """
        if key is None:
            return None
        row: OperationRow | None = OperationRow.get_or_none(OperationRow.key == key.text, OperationRow.by == by)
        if row is not None and row.request != key.request:
            raise Conflict(
                f"cannot use the Idempotency-Key {key.text} again: "
                f"it belongs to operation {row.id}, which is another request",
                hint="use a new key for each request",
            )
        return row

    def start(self) -> None:
        """Take up every unfinished operation where it was, behind the caller's back, and run what is submitted.

        After `stop` it does nothing.
        """
        if self._stopping:
            return
        columns = (OperationRow.id, OperationRow.status, OperationRow.locks, OperationRow.cancel)
        unfinished = OperationRow.select(*columns).where(OperationRow.status << UNFINISHED).order_by(OperationRow.id)
        with self._guard:
            # Read under the guard: what is submitted at this moment is either among them or joins afterwards.
            rows = list(unfinished)
            self._started = True
            self._cancelled.update(row.id for row in rows if row.cancel)
            for row in sorted(rows, key=lambda row: row.status == "queued"):
                if row.id not in self._locks and self._locks.join(row.id, journal.locks(row)) and row.status != "stuck":
                    self._workers.add(row.id)
        self._progress.start()
        self._workers.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Begin no further step and interrupt those that run; the next start continues them.

        A step that does not end in time is left to itself: its thread ends with the process.
        """
        self._stopping = True
        if not self._workers.stop(seconds):
            _log.warning("a step did not end in time; the next start runs it again", seconds=seconds)
        if self._started:
            self._progress.stop()

    def alive(self, seconds: float) -> bool:
        """Whether operations are still handed out, which a lock that is held for longer than that would prevent."""
        if not self._guard.acquire(timeout=seconds):
            return False
        self._guard.release()
        return self._workers.alive(seconds)

    def get(self, id: int) -> OperationRow:
        """The row of an operation. Raises NotFound."""
        return journal.find(id)

    def log(self, id: int, after: int = 0, limit: int = 1_000) -> list[OperationLog]:
        """At most `limit` lines of its log whose id is greater than `after`, oldest first."""
        query = OperationLog.select().where(OperationLog.operation == id, OperationLog.id > after)
        return list(query.order_by(OperationLog.id).limit(limit))

    def blockers(self, id: int) -> list[int]:
        """The operations that a queued one waits for."""
        with self._guard:
            return self._locks.blockers(id)

    def wait(self, id: int, seconds: float) -> OperationRow:
        """The row once the operation has ended or is stuck, or as it is after that time. Raises NotFound."""
        over = threading.Event()
        with self._guard:
            self._waiting.setdefault(id, []).append(over)
        try:
            row = journal.find(id)
            if row.status in ("queued", "running", "undoing") and over.wait(seconds):
                row = journal.find(id)
            return row
        finally:
            with self._guard:
                waiters = self._waiting[id]
                waiters.remove(over)
                if not waiters:
                    del self._waiting[id]

    def cancel(self, id: int) -> OperationRow:
        """Undo what it has done so far. One that goes backwards already is left alone.

        Raises NotFound, and Conflict once it has ended, is stuck, or has passed its commit point.
        """
        row = journal.find(id)
        if row.status == "queued" and self._give_up(row):
            return row
        row = journal.find(id)
        if row.status == "undoing":
            return row
        if row.status != "running":
            raise Conflict(f"cannot cancel operation {id}: it is {row.status}", hint=_HINTS.get(row.status, ""))
        if self._committed(row):
            raise Conflict(f"cannot cancel operation {id}: it is past the point where it could be undone")
        self._journal.cancel(row)
        with self._guard:
            self._cancelled.add(id)
        return row

    def retry(self, id: int) -> OperationRow:
        """Let a stuck operation go on in its direction. Raises NotFound, Conflict."""
        row = self._journal.retry(id)
        self._workers.add(id)
        return row

    def forget(self, id: int) -> OperationRow:
        """End a stuck operation as if what is left of it had worked: its rows are finished, or released when it was
        going backwards, and its locks are free. What it left in the outside world stays. Raises NotFound, Conflict."""

        def end(row: OperationRow) -> None:
            if (operation := self._kinds.get(row.kind)) is not None:
                backwards = row.backwards or row.started is None
                (operation.release if backwards else operation.finish)(self._context(row))

        row = self._journal.forget(id, end)
        self._leave(id)
        return row

    def _plan(self, operation: Operation, context: Context) -> Plan:
        try:
            with database.atomic():
                self._prepare(operation, context)
                raise _Rolled(plans.make(operation, context))
        except _Rolled as rolled:
            return rolled.plan

    def _prepare(self, operation: Operation, context: Context) -> None:
        """Let it choose its names and reserve its rows; from now on its data is as the journal would give it back."""
        operation.prepare(context)
        context.data |= operation.earlier(context)
        context.data = plans.plain(context.data)
        self._admit(operation.kind, operation.cost(context).disk_bytes)

    def _context(self, row: OperationRow) -> Context:
        return Context(core=self.core, args=row.args, data=row.data, by=row.by, id=row.id)

    def _join(self, row: OperationRow) -> None:
        with self._guard:
            if self._started and row.id not in self._locks and self._locks.join(row.id, journal.locks(row)):
                self._workers.add(row.id)

    def _leave(self, id: int) -> None:
        with self._guard:
            self._cancelled.discard(id)
            ready = self._locks.leave(id)
            for waiter in self._waiting.get(id, ()):
                waiter.set()
        for other in ready:
            self._workers.add(other)

    def _give_up(self, row: OperationRow) -> bool:
        operation = self._kinds.get(row.kind)
        error = Cancelled(f"cannot finish {row.kind} {row.target}: it was cancelled")

        def release() -> None:
            if operation is not None:
                operation.release(self._context(row))

        if not self._journal.give_up(row, journal.sentence(error), release):
            return False
        self._leave(row.id)
        return True

    def _committed(self, row: OperationRow) -> bool:
        operation = self._kinds.get(row.kind)
        return operation is not None and committed(operation, operation.steps(self._context(row)), row.step)

    def _work(self, id: int) -> None:
        """In a worker's thread: run an operation that has all its locks."""
        try:
            row = journal.find(id)
            delay = self._run(row)
        except Exception:
            _log.exception("cannot work on an operation now", operation=id, again_seconds=UNREADABLE)
            self._workers.add(id, UNREADABLE)
            return
        self._progress.close(id)
        if delay is not None:
            self._workers.add(id, delay)
        elif row.status == "stuck":
            with self._guard:
                for waiter in self._waiting.get(id, ()):
                    waiter.set()
        elif row.status not in UNFINISHED:
            self._leave(id)

    def _run(self, row: OperationRow) -> float | None:
        if row.status not in ("queued", "running", "undoing"):
            return None
        run = self._make_run(row)
        return None if run is None else run.go()

    def _make_run(self, row: OperationRow) -> Run | None:
        """The run of a row; without one the operation is stuck, and a sentence says why."""
        what = f"cannot continue {row.kind} {row.target}"
        hint = "run the program that began it and try again, or forget the operation"
        error = OrigoError(f"{what}: this program does not know that kind of operation", hint=hint)
        if (operation := self._kinds.get(row.kind)) is not None:
            try:
                run = Run(self._surroundings(), operation, row)
                if run.fits():
                    return run
                error = OrigoError(f"{what}: its steps are not the same in this program", hint=hint)
            except Exception:
                error = log.unexpected(_log, f"{what} because of an error in the engine", operation=row.id)
        self._journal.failed(row, journal.sentence(error), [error.message], stuck=True)
        return None

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            core=self.core,
            journal=self._journal,
            progress=self._progress,
            end_group=self._end_group,
            backoff=self._backoff,
            stopping=lambda: self._stopping,
            cancelled=self._cancelled.__contains__,
        )


_HINTS = {"stuck": "retry it or forget it"}
