"""The proof that a kind of operation converges: disturbed at every point in every way, and compared in the end.

Each trial forks a daemon that is killed (or made to fail) at one point, and another one that finds what it left and
finishes. In the end the world must be exactly that of an undisturbed run, or exactly that of before.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from origo import model
from origo.errors import Conflict
from origo.operations.engine import Engine
from origo.operations.plan import Plan
from origo.testing import forks, worlds
from origo.testing.killing import A_MOMENT, Point, Trap, Way, arm

Ended = tuple[str, dict[str, str]]
"""How an operation ended, and the world then."""

EARLIER = ".operations-before"
"""A file in the world that says how many operations made it."""

SECONDS = 20
"""How long an operation on fakes may take until it has ended."""


class Outside(Protocol):
    """What real drivers have made beyond the folder. There is one for all trials, which then follow one another."""

    def facts(self) -> dict[str, str]:
        """All of it that must be the same in the end."""

    def clear(self) -> object:
        """Remove all of it."""

    def settle(self, folder: Path) -> object:
        """Make it as the folder's rows say."""


@dataclass(frozen=True)
class Scenario:
    """How one kind of operation is put to the proof, in a folder of its own."""

    title: str
    """The kind, and what is special about this case if there are several."""
    prepare: Callable[[Path], object]
    """Make the world of before: database and files."""
    open: Callable[[Path], Engine]
    """What a starting daemon does: connect to the database, make drivers and the engine, which is not started yet."""
    submit: Callable[[Path, Engine, bool], Any]
    """Submit the operation in that folder's world, or (True) ask for its plan."""
    check: Callable[[Path, str], object] = lambda folder, status: None
    """Look at the world in the end, beyond its being the same; raises AssertionError."""
    ignore: frozenset[str] = frozenset()
    """Tables and files that may differ."""
    loose: frozenset[str] = frozenset()
    """Patterns of files whose content may differ, not their presence."""
    outside: Outside | None = None
    """With real drivers, which take their time: each step is disturbed at a few points only."""
    seconds: float = SECONDS
    """How long the operation may take until it has ended."""

    def world(self, folder: Path) -> dict[str, str]:
        """All that must be the same in the end."""
        return worlds.snapshot(folder, self.ignore, self.loose) | self._facts()

    def sight(self, folder: Path) -> str:
        """A digest of all that a daemon started now would find."""
        return worlds.fingerprint(folder, self._facts())

    def _facts(self) -> dict[str, str]:
        return self.outside.facts() if self.outside else {}


@dataclass(frozen=True)
class Trial:
    """One disturbance at one point, and how the operation ended: done, undone, or never begun."""

    point: Point
    way: Way
    ended: str


@dataclass(frozen=True)
class Proof:
    """All trials of a scenario, which all converged. `steps` are (name, whether it is the commit point)."""

    title: str
    summary: str
    steps: tuple[tuple[str, bool], ...]
    forward_only: bool
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class _Calm:
    """What an undisturbed run shows."""

    summary: str
    steps: tuple[tuple[str, bool], ...]
    forward_only: bool
    passed: list[Point]
    news: set[int]
    world: dict[str, str]


@dataclass(frozen=True)
class _Plan:
    """One trial to be made: at the point of that number; `fail_after` first turns the operation back at that step."""

    at: int
    point: Point
    way: Way
    fail_after: int | None


@dataclass(frozen=True)
class _Part:
    """What one of several processes found, each with every so-manieth trial."""

    calm: _Calm
    plans: list[_Plan]
    trials: list[Trial]
    wrong: list[str]


def prove(scenario: Scenario, folder: Path) -> Proof:
    """Disturb it at every point in every way. Raises AssertionError with what did not converge."""
    count = 1 if scenario.outside else os.cpu_count() or 1
    folder.mkdir(parents=True, exist_ok=True)
    work = functools.partial(_numbered, scenario, folder, count)
    parts = forks.spread(work, range(count), int(30 * scenario.seconds))
    calm, total = parts[0].calm, sum(len(part.trials) for part in parts)
    assert all(part.plans == parts[0].plans for part in parts), f"{scenario.title}: no two runs pass the same points"
    wrong = [text for part in parts for text in part.wrong]
    assert not wrong, "\n".join([f"{scenario.title}: {len(wrong)} of {total} did not converge", *wrong[:5]])
    trials = (parts[number % count].trials[number // count] for number in range(total))
    return Proof(scenario.title, calm.summary, calm.steps, calm.forward_only, tuple(trials))


def _numbered(scenario: Scenario, folder: Path, count: int, number: int) -> _Part:
    return _part(scenario, folder / str(number), number, count)


def _part(scenario: Scenario, folder: Path, first: int, every: int) -> _Part:
    """Make some of the trials, all in one folder, since rows and files name paths in it."""
    place, kept = folder / "world", folder / "kept"
    place.mkdir(parents=True)
    forks.run(lambda: _prepare(scenario, place))
    _clear(scenario)
    shutil.copytree(place, kept, symlinks=True)
    _restore(scenario, kept, place)
    world = forks.run(lambda: scenario.world(place))
    ways = _few_ways if scenario.outside else _ways
    calm: _Calm = forks.run(lambda: _undisturbed(scenario, place))
    undoable = next((index for index, (_, commit) in enumerate(calm.steps) if commit), len(calm.steps) - 1)
    _restore(scenario, kept, place)
    plans = [_Plan(at, point, way, None) for at, point, way in ways(calm.passed, calm.news)]
    if calm.steps and not calm.forward_only:
        back = forks.run(lambda: _turned_back(scenario, place, undoable))
        undo = [(at, point, way) for at, point, way in ways(*back) if point.direction == "undo"]
        plans += [_Plan(at, point, way, undoable) for at, point, way in undo]
    trials, wrong = [], []
    for plan in plans[first::every]:
        _restore(scenario, kept, place)
        ended, after = _disturbed(scenario, place, plan)
        trials.append(Trial(plan.point, plan.way, ended))
        difference = worlds.difference(calm.world if ended == "done" else world, after)
        if difference:
            wrong.append(f"{plan.way} at {plan.point}: {ended}, but\n{difference}")
    _clear(scenario)
    shutil.rmtree(folder)
    return _Part(calm, plans, trials, wrong)


def _clear(scenario: Scenario) -> None:
    if scenario.outside:
        forks.run(scenario.outside.clear)


def _restore(scenario: Scenario, kept: Path, place: Path) -> None:
    """The world of before, made again."""
    _clear(scenario)
    shutil.rmtree(place)
    shutil.copytree(kept, place, symlinks=True)
    if outside := scenario.outside:
        forks.run(lambda: outside.settle(place))


def harass(scenario: Scenario, folder: Path, kills: Sequence[int], *, cancel: bool = False) -> Ended:
    """Kill one daemon after the other, each at the point of that number (if it comes so far), then let one finish.

    With `cancel` a person cancels it after the first kill. Returns how it ended, and the world then.
    """
    folder.mkdir(parents=True)
    forks.run(lambda: _prepare(scenario, folder))
    begun = False

    def go(at: int | None) -> Ended:
        engine = scenario.open(folder)
        trap = Trap(at)
        if not begun:
            return _ended(scenario, folder, _run(scenario, folder, engine, trap))
        return _resume(scenario, folder, engine, trap, cancel=cancel)

    for at in [*kills, None]:
        outcome = forks.Child(functools.partial(go, at), int(2 * scenario.seconds)).outcome()
        assert not outcome.error, outcome.error
        begun = begun or forks.run(lambda: _begun(scenario, folder))
    return outcome.value


def _ways(passed: list[Point], news: set[int]) -> Iterator[tuple[int, Point, Way]]:
    """What is worth trying: to be killed makes a difference only where a new daemon would find something else."""
    for at, point in enumerate(passed):
        if at in news:
            yield at, point, "kill"
            if point.direction == "do":
                yield at, point, "cancel"
        if point.step >= 0 and not point.name.endswith(" commit"):
            yield at, point, "fail"


def _few_ways(passed: list[Point], news: set[int]) -> Iterator[tuple[int, Point, Way]]:
    """Killed before each step, amid the middle one of the calls that change something, and after it."""
    for step, direction in sorted({(point.step, point.direction) for point in passed if point.step >= 0}):
        own = [at for at, point in enumerate(passed) if (point.step, point.direction) == (step, direction)]
        begin = next((at for at in own if passed[at].name == "begin"), None)
        if begin is None:
            continue
        end = next(at for at in own if at > begin and passed[at].name == "end")
        yield begin, passed[begin], "kill"
        changes = [at for at in range(begin, end) if at in news and passed[at].name.startswith("after ")]
        calls = [at for at in changes if not passed[at].name.endswith(" commit")]
        if calls:
            after = calls[len(calls) // 2]
            name = passed[after].name.replace("after ", "before ", 1)
            before = max(at for at in range(begin, after) if passed[at].name == name)
            yield before, passed[before], "amid"
        yield end, passed[end], "kill"


def _prepare(scenario: Scenario, folder: Path) -> None:
    worlds.no_chance("prepare")
    scenario.prepare(folder)
    engine = scenario.open(folder)
    (folder / EARLIER).write_text(str(model.OperationRow.select().count()))
    engine.stop()
    model.database.close()


def _undisturbed(scenario: Scenario, folder: Path) -> _Calm:
    """Run it with nothing in its way, after its plan, which must say what then happens and change nothing."""
    engine = scenario.open(folder)
    world = scenario.world(folder)
    plan = scenario.submit(folder, engine, True)
    assert isinstance(plan, Plan), "a plan was asked for"
    changed = worlds.difference(world, scenario.world(folder))
    assert not changed, f"the plan changed the world:\n{changed}"
    trap = Trap(look=lambda: scenario.sight(folder))
    row = _run(scenario, folder, engine, trap)
    assert row.status == "done", f"undisturbed it ended as {row.status}: {row.error} {row.note}"
    assert [step.name for step in plan.steps] == row.steps, "plan and journal do not have the same steps"
    scenario.check(folder, row.status)
    return _Calm(
        summary=(type(engine.kinds()[row.kind]).__doc__ or "").strip().split("\n")[0],
        steps=tuple((step.name, step.commit) for step in plan.steps),
        forward_only=plan.forward_only,
        passed=trap.passed,
        news=trap.news,
        world=scenario.world(folder),
    )


def _turned_back(scenario: Scenario, folder: Path, step: int) -> tuple[list[Point], set[int]]:
    trap = Trap(fail_after=step, look=lambda: scenario.sight(folder))
    row = _run(scenario, folder, scenario.open(folder), trap)
    assert row.status == "undone", f"after a failure it ended as {row.status}: {row.error} {row.note}"
    return trap.passed, trap.news


def _disturbed(scenario: Scenario, folder: Path, plan: _Plan) -> Ended:
    """How it ended, and the world then."""
    way: Way = "kill" if plan.way == "cancel" else plan.way
    trap = Trap(plan.at, way, plan.fail_after)

    def first() -> Ended:
        row = _run(scenario, folder, scenario.open(folder), trap)
        time.sleep(2 * A_MOMENT if way == "amid" else 0)
        return _ended(scenario, folder, row)

    outcome: forks.Outcome[Ended] = forks.Child(first, int(2 * scenario.seconds)).outcome()
    assert not outcome.error, f"{plan}:\n{outcome.error}"
    if outcome.signal == signal.SIGKILL and way != "fail":
        return forks.run(lambda: _resumed(scenario, folder, plan), int(2 * scenario.seconds))
    assert way == "fail" and not outcome.signal, f"{plan}: not reached, or ended by signal {outcome.signal}"
    return outcome.value


def _resumed(scenario: Scenario, folder: Path, plan: _Plan) -> Ended:
    return _resume(scenario, folder, scenario.open(folder), Trap(), cancel=plan.way == "cancel")


def _resume(scenario: Scenario, folder: Path, engine: Engine, trap: Trap, *, cancel: bool) -> Ended:
    """What a new daemon makes of it; with `cancel` a person is quicker than the daemon."""
    rows = [row for row in model.OperationRow.select() if row.ended is None]
    if cancel:
        for row in rows:
            try:
                engine.cancel(row.id)
            except Conflict as error:
                assert "past the point" in error.message, error
    arm(trap, engine.kinds())
    worlds.no_chance("another process")
    engine.start()
    for row in rows:
        engine.wait(row.id, scenario.seconds)
    return _ended(scenario, folder, _last(folder))


def _begun(scenario: Scenario, folder: Path) -> bool:
    scenario.open(folder)
    return _last(folder) is not None


def _last(folder: Path) -> model.OperationRow | None:
    """The operation that was submitted after the world was prepared."""
    earlier = int((folder / EARLIER).read_text())
    return model.OperationRow.get_or_none(model.OperationRow.id > earlier)


def _run(scenario: Scenario, folder: Path, engine: Engine, trap: Trap) -> model.OperationRow:
    arm(trap, engine.kinds())
    engine.start()
    worlds.no_chance("run")
    return engine.wait(scenario.submit(folder, engine, False).id, scenario.seconds)


def _ended(scenario: Scenario, folder: Path, row: model.OperationRow | None) -> Ended:
    status = "never begun" if row is None else row.status
    if row is not None:
        assert status in ("done", "undone"), f"it is {status} at step {row.step}: {row.error} {row.note}"
        assert row.attempts == 0 and row.ended, f"an ended operation has no attempts open: {row.__data__}"
    scenario.check(folder, status)
    return status, scenario.world(folder)
