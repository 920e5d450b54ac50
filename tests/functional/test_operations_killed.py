"""What is promised about work in progress: killed, cancelled or failed at any point it converges, never half done."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_operations import Bench, Files, Write

from origo import model
from origo.operations.base import Context, Step
from origo.operations.engine import Engine
from origo.testing import killing
from origo.testing.proof import Scenario, harass, prove


class Careful(Write):
    """Writes in two movements, with a point between."""

    name = "write carefully"

    def do(self, ctx: Context) -> None:
        part = self.path.with_suffix(".part")
        part.write_text("h")
        killing.point("half written")
        part.write_text(ctx.data["content"])
        part.rename(self.path)

    def undo(self, ctx: Context) -> None:
        self.path.unlink(missing_ok=True)
        killing.point("half removed")
        self.path.with_suffix(".part").unlink(missing_ok=True)


class CarefulForGood(Careful):
    name = "write carefully for good"
    commit = True


class CarefulFiles(Files):
    """Writes files with care."""

    kind = "files.careful"

    def steps(self, ctx: Context) -> list[Step]:
        return [
            (CarefulForGood if index == ctx.args["commit"] else Careful)(Path(ctx.args["folder"]) / name, [])
            for index, name in enumerate(ctx.args["names"])
        ]


def scenario(names: list[str], commit: int | None, kind: type[Files] = CarefulFiles) -> Scenario:
    def open(folder: Path) -> Engine:
        engine = Bench(folder, workers=2).engine
        engine.register([kind])
        return engine

    def submit(folder: Path, engine: Engine, plan: bool) -> Any:
        args = {"label": "a", "names": names, "commit": commit, "folder": str(folder / "files")}
        return engine.submit(kind(), args, by="someone", plan=plan)

    return Scenario(kind.kind, lambda folder: None, open, submit)


def test_it_converges_killed_cancelled_or_failed_at_any_point(tmp_path: Path) -> None:
    proof = prove(scenario(["one", "two", "three"], 1), tmp_path)
    assert proof.steps == (("write carefully", False), ("write carefully for good", True), ("write carefully", False))
    ends = Counter((trial.point.step, trial.point.direction, trial.way, trial.ended) for trial in proof.trials)
    assert {end for (step, _, way, end) in ends if step == 0 and way == "cancel"} == {"undone"}
    assert {end for (step, direction, _, end) in ends if step == 2 and direction == "do"} == {"done"}
    back = [trial for trial in proof.trials if trial.point.direction == "undo"]
    assert {trial.ended for trial in back if trial.point.name != "before commit"} == {"undone"}
    assert len(proof.trials) > 40


class Forgetful(CarefulFiles):
    """Cleans up badly."""

    kind = "files.forgetful"

    def steps(self, ctx: Context) -> list[Step]:
        return [Sloppy(Path(ctx.args["folder"]) / name, []) for name in ctx.args["names"]]


class Sloppy(Careful):
    name = "write sloppily"

    def undo(self, ctx: Context) -> None:
        self.path.unlink(missing_ok=True)


def test_a_step_that_leaves_something_behind_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="did not converge") as caught:
        prove(scenario(["one", "two"], None, Forgetful), tmp_path)
    assert "files/two.part: expected None" in str(caught.value)
    assert "name='half written'" in str(caught.value)


class Dicey(Careful):
    name = "write at random"

    def do(self, ctx: Context) -> None:
        self.path.write_text(secrets.token_hex(4))


class Dice(CarefulFiles):
    """Chooses a name only while it runs."""

    kind = "files.dice"

    def steps(self, ctx: Context) -> list[Step]:
        return [Dicey(Path(ctx.args["folder"]) / name, []) for name in ctx.args["names"]]


def test_a_name_that_is_not_chosen_before_the_first_step_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="did not converge"):
        prove(scenario(["one"], None, Dice), tmp_path)


NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), unique=True, max_size=5)
MOODS = st.lists(st.sampled_from(["do:fail*1", "do:fail", "done:fail*2", "undo:fail*1", "do:crash*1"]), max_size=2)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    NAMES,
    st.integers(0, 6),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), MOODS, max_size=2),
    st.lists(st.integers(0, 25), max_size=4),
    st.booleans(),
)
def test_whatever_fails_and_however_often_it_is_killed_all_or_nothing_is_left(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    commit: int,
    moods: dict[str, list[str]],
    kills: list[int],
    cancel: bool,
) -> None:
    for name in names[commit + 1 :]:
        moods[name] = [mood for mood in moods.get(name, []) if mood != "do:fail"]  # it would be stuck, rightly

    def submit(folder: Path, engine: Engine, plan: bool) -> Any:
        args = {"label": "x", "names": names, "commit": commit, "moods": moods, "folder": str(folder / "files")}
        return engine.submit(Files(), args, by="someone", plan=plan)

    def all_or_nothing(folder: Path, status: str) -> None:
        files = sorted(path.name for path in (folder / "files").iterdir() if not path.name.startswith("."))
        labels = model.Label.select().count()
        assert (files, labels) == ((sorted(names), 1) if status == "done" else ([], 0))

    erratic = Scenario(
        "files.write",
        lambda folder: None,
        lambda folder: Bench(folder, backoff=(0.001,) * 5).engine,
        submit,
        all_or_nothing,
    )
    world = tmp_path_factory.mktemp("erratic") / "world"
    ended, _ = harass(erratic, world, kills, cancel=cancel)
    assert ended in ("done", "undone")


def test_an_engine_ends_nothing_of_the_same_operation_in_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e9)
    ended = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name)
        bench.engine.start()
        assert bench.run(moods={"two": ["do:fail"]}).id == 1
        ended.append(set(bench.ended))
        bench.close()
    assert ended[0] and not ended[0] & ended[1]
