"""Places in an operation where a test may kill the process or let the step fail.

A fake or a test marks a place with `point(name)`; `watch` marks the calls of a driver or a host. Without a trap they
cost nothing.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import peewee

from origo.errors import Conflict, Unavailable
from origo.operations.base import Context, Operation, Step

Way = Literal["kill", "amid", "cancel", "fail"]
"""What is done at a point: kill the process; kill it a moment later, amid what it has begun by then; kill it and cancel
the operation at once after the restart; or fail."""
Direction = Literal["do", "undo"]
Thing = TypeVar("Thing")

A_MOMENT = 0.015
"""Seconds: longer than it takes to ask a daemon or start a command, shorter than what most of them do."""

READING = {
    *("check", "command", "current", "exists", "info", "list", "place", "read", "render", "services", "space"),
    *("stat", "state", "states", "stats", "types", "usage", "watch"),
}
"""Calls that change nothing, and so need no point."""


@dataclass(frozen=True)
class Point:
    """A place in an operation: step -1 is before the first one."""

    step: int
    direction: Direction
    name: str


@dataclass
class Trap:
    """Counts the points that are passed, and springs at one of them. `fail_after` makes that step fail once done.

    `look` tells what a daemon started now would find; `news` are the points where that is not as at the one before.
    """

    at: int | None = None
    way: Way = "kill"
    fail_after: int | None = None
    look: Callable[[], str] = lambda: ""
    step: int = -1
    direction: Direction = "do"
    passed: list[Point] = field(default_factory=list)
    news: set[int] = field(default_factory=set)
    seen: str | None = None
    failed: bool = False

    def __call__(self, name: str, *, journal: bool = False) -> None:
        if threading.current_thread().name == "operations-progress":
            return
        if (sight := self.look()) != self.seen:
            self.seen = sight
            self.news.add(len(self.passed))
        self.passed.append(Point(self.step, self.direction, name))
        if self.at != len(self.passed) - 1:
            return
        if self.way == "amid":
            threading.Timer(A_MOMENT, _die).start()
            return
        if self.way != "fail":
            _die()
        if not journal:
            raise Unavailable(f"cannot go on at {name}: this failure was put here")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_trap: Trap | None = None


def point(name: str) -> None:
    """A place where a test may kill this process or let the step fail; costs nothing otherwise."""
    if _trap is not None:
        _trap(name)


def watch(thing: Thing, name: str) -> Thing:
    """Mark every changing call of this driver or host with a point before and after it; returns the same object."""
    for attribute in dir(type(thing)):
        method = getattr(thing, attribute)
        if not attribute.startswith("_") and attribute not in READING and callable(method):
            setattr(thing, attribute, _marked(method, f"{name}.{attribute}"))
    return thing


def _marked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def marked(*args: Any, **named: Any) -> Any:
        point(f"before {name}")
        result = method(*args, **named)
        point(f"after {name}")
        return result

    return marked


class TrappedStep(Step):
    """A step with points before and after what it does."""

    def __init__(self, trap: Trap, index: int, step: Step) -> None:
        self._trap, self._index, self._step = trap, index, step
        self.name, self.commit = step.name, step.commit  # type: ignore[misc]

    def plan(self, ctx: Context) -> list[str]:
        return self._step.plan(ctx)

    def do(self, ctx: Context) -> None:
        self._trap.step, self._trap.direction = self._index, "do"
        self._trap("begin")
        self._step.do(ctx)
        self._trap("end")
        if self._trap.fail_after == self._index and not self._trap.failed:
            self._trap.failed, self._trap.direction = True, "undo"
            raise Conflict("cannot go on: this failure was put here")

    def undo(self, ctx: Context) -> None:
        self._trap.step, self._trap.direction = self._index, "undo"
        self._trap("begin")
        self._step.undo(ctx)
        self._trap("end")


def arm(trap: Trap, kinds: dict[str, Operation]) -> None:
    """Put points around all steps and commits of this process, which is a child that will not live on."""
    global _trap
    _trap = trap
    for operation in kinds.values():
        plain = type(operation).steps

        def steps(self: Operation, ctx: Context, plain: Any = plain) -> list[Step]:
            return [TrappedStep(trap, index, step) for index, step in enumerate(plain(self, ctx))]

        type(operation).steps = steps  # type: ignore[method-assign]
    commit: Any = peewee.Database.commit

    def commit_between_points(database: peewee.Database) -> None:
        trap("before commit", journal=True)
        commit(database)
        trap("after commit", journal=True)

    setattr(peewee.Database, "commit", commit_between_points)  # noqa: B010
