"""One operation in the hands of one thread: forwards step by step, or backwards, as far as it goes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from origo import host, log
from origo.errors import Cancelled, OrigoError
from origo.model import OperationRow, database
from origo.operations import journal
from origo.operations import plan as plans
from origo.operations.base import Context, Operation, Step
from origo.operations.core import Core
from origo.operations.journal import Journal
from origo.operations.progress import Progress

_log = log.get("operations")


@dataclass(frozen=True)
class Surroundings:
    """What all runs of one engine share."""

    core: Core
    journal: Journal
    progress: Progress
    end_group: Callable[[str], None]
    backoff: Sequence[float]
    stopping: Callable[[], bool]
    cancelled: Callable[[int], bool]


class Run:
    """Takes the operation of one row from where it is towards its end."""

    def __init__(self, surroundings: Surroundings, operation: Operation, row: OperationRow) -> None:
        self._around = surroundings
        self._operation = operation
        self._row = row
        self._lines: list[str] = []
        self._context = self._make_context()
        self._steps = operation.steps(self._context)
        self._repeated = row.status != "queued"
        """Whether the first step to come may have begun already, in this process or an earlier one."""

    def fits(self) -> bool:
        """Whether the program still has the steps that the journal speaks of."""
        return [step.name for step in self._steps] == list(self._row.steps)

    def go(self) -> float | None:
        """As far as it goes; after how many seconds to try again, or None: it has ended, is stuck, or left as it is."""
        around = self._around
        if self._row.status == "queued":
            # Looked at before it counts as begun: should the process end in between, it will be looked at again.
            error = self._guarded(self._look)
            if around.stopping() or not around.journal.begin(self._row, error):
                return None
        delay = None
        while self._row.status in ("running", "undoing") and delay is None and not around.stopping():
            around.progress.open(self._row)
            delay = self._backward() if self._row.backwards else self._forward()
        return delay

    def _look(self) -> None:
        """Check once more, and see what an undo is to go back to: others may have changed it while this one waited."""
        self._operation.check(self._context)
        self._context.data |= plans.plain(self._operation.earlier(self._context))
        self._steps = self._operation.steps(self._context)

    def _forward(self) -> float | None:
        row, around = self._row, self._around
        no_way_back = self._committed()
        if not no_way_back and around.cancelled(row.id):
            self._turn_back(_cancelled(self._what()), row.step + self._repeated)
            return None
        error = self._attempt("do", row.step) if row.step < len(self._steps) else None
        error = error or self._guarded(self._advance)
        if error is None or around.stopping():
            return None
        if no_way_back:
            return self._failed(error)
        self._repeated = True
        self._turn_back(_cancelled(self._what()) if around.cancelled(row.id) else error, row.step + 1)
        return None

    def _backward(self) -> float | None:
        error = self._attempt("undo", self._row.step - 1) if self._row.step else None
        error = error or self._guarded(self._retreat)
        if error is None or self._around.stopping():
            return None
        return self._failed(error)

    def _advance(self) -> None:
        def finish() -> None:
            self._operation.finish(self._context)

        self._write(lambda lines: self._around.journal.advance(self._row, lines, finish))

    def _retreat(self) -> None:
        def release() -> None:
            self._operation.release(self._context)

        self._write(lambda lines: self._around.journal.retreat(self._row, lines, release))

    def _turn_back(self, error: dict[str, Any], step: int) -> None:
        begun = min(step, len(self._steps))
        self._write(lambda lines: self._around.journal.turn_back(self._row, error, begun, lines))

    def _failed(self, error: dict[str, Any]) -> float | None:
        attempts, backoff = self._row.attempts, self._around.backoff
        stuck = attempts >= len(backoff)
        self._repeated = True
        self._write(lambda lines: self._around.journal.failed(self._row, error, lines, stuck))
        return None if stuck else backoff[attempts]

    def _write(self, change: Callable[[list[str]], None]) -> None:
        """Change the journal; if that fails, the row here is again as it is there."""
        self._lines += self._around.progress.take_lines(self._row.id)
        try:
            change(self._lines)
        except Exception:
            self._row.__data__.update(journal.find(self._row.id).__data__)
            raise
        self._lines = []

    def _attempt(self, direction: str, index: int) -> dict[str, Any] | None:
        """Run one step's do or undo with nothing of an earlier attempt left; its error, or None."""
        step = self._steps[index]
        started = time.monotonic()
        error = self._guarded(lambda: self._alone(step, direction, index))
        took = f"{time.monotonic() - started:.1f} s"
        said = f"failed after {took}: {error['message']}" if error else f"done in {took}"
        self._around.progress.log(self._row.id, f"{step.name}: {direction} {said}")
        return error

    def _alone(self, step: Step, direction: str, index: int) -> None:
        group = self._group(index, direction)
        if self._repeated:
            self._around.end_group(self._group(index, "do"))
            if direction == "undo":
                self._around.end_group(group)
        self._repeated = True
        work = host.Job(group, report=self._context.report, cancelled=self._is_cancelled)
        try:
            with host.job(work):
                (step.do if direction == "do" else step.undo)(self._context)
        finally:
            for machine in work.hosts:
                machine.end(group)
        self._repeated = False

    def _is_cancelled(self) -> bool:
        around = self._around
        if around.stopping():
            return True
        return not self._row.backwards and around.cancelled(self._row.id) and not self._committed()

    def _committed(self) -> bool:
        return committed(self._operation, self._steps, self._row.step)

    def _guarded(self, work: Callable[[], None]) -> dict[str, Any] | None:
        """Do it; the error that came of it, fit for a person."""
        try:
            work()
        except OrigoError as error:
            return journal.sentence(error)
        except Exception:
            sentence = f"cannot finish {self._what()} because of an error in the engine"
            return journal.sentence(log.unexpected(_log, sentence, operation=self._row.id))
        return None

    def _what(self) -> str:
        return f"{self._row.kind} {self._row.target}".rstrip()

    def _group(self, index: int, direction: str) -> str:
        # The journal's file and the moment tell it from the same number in another engine on this machine.
        file = zlib.crc32(str(database.database).encode())
        return f"op-{self._row.id}-{index}-{direction}-{int(self._row.created * 1e6):x}{file:08x}"

    def _make_context(self) -> Context:
        row, around = self._row, self._around
        context = Context(core=around.core, args=row.args, data=row.data, by=row.by, id=row.id)

        def report(fraction: float, text: str = "") -> None:
            part = min(1.0, max(0.0, fraction))
            done = row.step - part if row.backwards else row.step + part
            around.progress.report(row.id, done / max(1, len(row.steps)), text)

        def keep(**values: Any) -> None:
            context.data.update(values)
            around.journal.keep(row, context.data)

        context.log = lambda text: around.progress.log(row.id, text)
        context.report = report
        context.keep = keep
        return context


def committed(operation: Operation, steps: Sequence[Step], done: int) -> bool:
    """Whether an operation that was begun, and has done so many steps, only goes forward."""
    return operation.forward_only or any(step.commit for step in steps[:done])


def _cancelled(what: str) -> dict[str, Any]:
    return journal.sentence(Cancelled(f"cannot finish {what}: it was cancelled"))
