"""Work in a forked child: quick to begin since everything is imported already, and gone without a trace when killed."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar, cast

Value = TypeVar("Value")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """How a child ended: the value its work returned, or its traceback, or killed by `signal`."""

    value: Value
    error: str = ""
    signal: int = 0


class Child(Generic[Value]):
    """A forked process that does one thing; the parent must have no other threads."""

    def __init__(self, work: Callable[[], Value], seconds: int = 60) -> None:
        self._reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reading)
            _work(work, writing, seconds)
        os.close(writing)

    def outcome(self) -> Outcome[Value]:
        """Wait for its end. What it returned must be picklable."""
        with os.fdopen(self._reading, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(self._pid, 0)
        if os.WIFSIGNALED(status):
            return Outcome(cast(Value, None), signal=os.WTERMSIG(status))
        value, error = pickle.loads(told)  # noqa: S301 (our own child's)
        return Outcome(value, error)


def run(work: Callable[[], Value], seconds: int = 60) -> Value:
    """Do it in a child and return what it returned; AssertionError with the child's traceback if it failed."""
    outcome = Child(work, seconds).outcome()
    assert not outcome.signal, f"the child was ended by signal {signal.Signals(outcome.signal).name}"
    assert not outcome.error, outcome.error
    return outcome.value


def spread(work: Callable[[Item], Value], items: Sequence[Item], seconds: int = 600) -> list[Value]:
    """Do it for each item, on all processors, and return the results in order."""
    count = min(len(items), os.cpu_count() or 1)

    def part(start: int) -> Callable[[], list[Value]]:
        return lambda: [work(item) for item in items[start::count]]

    children = [Child(part(start), seconds) for start in range(count)]
    outcomes = [child.outcome() for child in children]
    for outcome in outcomes:
        assert not outcome.error and not outcome.signal, outcome.error or f"killed by signal {outcome.signal}"
    return [outcomes[number % count].value[number // count] for number in range(len(items))]


def _work(work: Callable[[], object], writing: int, seconds: int) -> NoReturn:
    try:
        faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
        signal.alarm(seconds)
        told: tuple[object, str] = (work(), "")
    except BaseException:
        told = (None, traceback.format_exc())
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(told))
    finally:
        os._exit(0)
