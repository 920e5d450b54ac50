"""What the operations engine promises to who submits, watches, cancels and repairs operations."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sample_operations import Bench, Files, Write

from origo import model
from origo.errors import Conflict, NotFound
from origo.host.local import LocalHost
from origo.operations import journal
from origo.operations.base import Context, Key, Step
from origo.operations.plan import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.engine.start()
    yield bench
    bench.close()


def test_an_operation_runs_all_its_steps_and_finishes_its_rows(bench: Bench) -> None:
    row = bench.run()
    assert (row.status, row.step, row.progress, row.error) == ("done", 3, 1.0, None)
    assert bench.files() == ["one", "three", "two"]
    assert model.Label.get_by_id("a").created == 2.0
    assert bench.kinds() == ["operation.queued", "operation.started", "operation.done"]
    assert row.started >= row.created and row.ended >= row.started


def test_a_plan_shows_what_the_journal_will_hold_and_leaves_nothing_behind(bench: Bench) -> None:
    args = {"label": "a", "names": ["one", "two"], "folder": str(bench.folder), "commit": 1}
    plan = bench.engine.submit(Files(), args, by="someone", plan=True)
    assert isinstance(plan, Plan)
    assert model.OperationRow.select().count() == model.Label.select().count() == model.EventRow.select().count() == 0
    row = bench.engine.wait(bench.engine.submit(Files(), args, by="someone").id, 10)
    shown = json.loads(json.dumps(plan.as_dict()))
    assert [step["name"] for step in shown["steps"]] == row.steps == ["write", "write for good"]
    assert (shown["kind"], shown["noun"], shown["target"], shown["data"]) == (row.kind, row.noun, row.target, row.data)
    assert shown["steps"][0] == {"name": "write", "commit": False, "lines": ["write one for someone"]}
    assert shown["cost"]["disk_bytes"] == 10 and shown["cost"]["downtime"] == "none"


def test_what_prepare_finds_wrong_is_told_at_once_and_changes_nothing(bench: Bench) -> None:
    bench.run()
    with pytest.raises(Conflict, match="cannot write a: the name is taken"):
        bench.submit()
    assert model.OperationRow.select().count() == 1


@pytest.mark.parametrize("plan", [False, True])
def test_the_outside_world_is_looked_at_before_the_transaction(bench: Bench, plan: bool) -> None:
    args = {"label": "a", "names": ["one"], "folder": str(bench.folder)}
    made = bench.engine.submit(Files(), args, by="someone", plan=plan)
    assert made.data["seen"] is True
    with pytest.raises(Conflict, match="cannot write: the look fails as asked"):
        bench.engine.submit(Files(), {**args, "label": "b", "look": "fail"}, by="someone", plan=plan)
    assert not model.Label.select().where(model.Label.label == "b").exists()


def test_a_repeated_request_is_answered_without_looking_again(bench: Bench) -> None:
    args = {"label": "a", "names": ["one"], "folder": str(bench.folder)}
    row = bench.engine.submit(Files(), args, by="someone", key=Key("k", "d"))
    again = bench.engine.submit(Files(), {**args, "look": "fail"}, by="someone", key=Key("k", "d"))
    assert again.id == row.id


def test_a_request_that_is_refused_for_what_the_same_one_has_begun_is_that_ones_operation(bench: Bench) -> None:
    args, key = {"label": "a", "names": ["one"], "folder": str(bench.folder)}, Key("k", "d")

    class Overtaken(Files):
        def look(self, ctx: Context) -> None:
            if bench.engine.earlier("someone", key) is None:
                bench.engine.submit(Files(), args, by="someone", key=key)
            raise Conflict("cannot write: the name is taken")

    row = bench.engine.submit(Overtaken(), args, by="someone", key=key)
    assert row.id == bench.engine.earlier("someone", key).id
    with pytest.raises(Conflict, match="the name is taken"):
        bench.engine.submit(Overtaken(), args, by="someone", key=Key("another", "d"))


@pytest.mark.parametrize("failing", ["one", "two", "three"])
@pytest.mark.parametrize("moment", ["do", "done"])
def test_a_failed_step_and_all_before_it_are_undone(bench: Bench, failing: str, moment: str) -> None:
    row = bench.run(moods={failing: [f"{moment}:fail"]})
    assert (row.status, row.step, row.error["code"]) == ("undone", 0, "conflict")
    assert row.error["message"] == f"cannot write {failing}: {moment} fails as asked"
    assert bench.files() == [] and model.Label.select().count() == 0
    assert bench.kinds()[-1] == "operation.undone"


def test_an_unexpected_error_is_undone_too_and_its_text_stays_in_the_daemon_s_log(
    bench: Bench,
) -> None:
    with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as lines:
        row = bench.run(moods={"two": ["do:crash"]})
    assert row.status == "undone" and bench.files() == []
    assert (row.error["code"], row.error["message"]) == (
        "internal",
        "cannot finish files.write a because of an error in the engine",
    )
    assert row.error["details"]["number"] in row.error["hint"]
    crashed = [line for line in lines if line.get("number") == row.error["details"]["number"]]
    assert len(crashed) == 1 and "KeyError: 'secret'" in crashed[0]["exception"]
    assert not any("secret" in line.text for line in bench.engine.log(row.id))


def test_a_failed_check_ends_it_before_the_first_step(bench: Bench) -> None:
    row = bench.run(check="fail")
    assert (row.status, row.error["message"]) == ("undone", "cannot write: the check fails as asked")
    assert bench.files() == [] and model.Label.select().count() == 0


def test_what_its_check_refused_is_never_entered_as_begun(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(*_: object) -> None:
        raise OSError("the engine was killed before it could turn back")

    monkeypatch.setattr(journal.Journal, "turn_back", cut_off)
    assert bench.run(check="fail").status == "undone"


def test_a_finish_that_fails_undoes_everything(bench: Bench) -> None:
    row = bench.run(finish="fail")
    assert row.status == "undone" and bench.files() == [] and model.Label.select().count() == 0


def test_after_the_commit_point_a_failing_step_is_tried_again_until_it_works(bench: Bench) -> None:
    row = bench.run(commit=1, moods={"three": ["do:fail*2"]})
    assert (row.status, row.error, row.attempts) == ("done", None, 0)
    assert bench.files() == ["one", "three", "two"]


def test_the_commit_step_itself_can_still_be_undone(bench: Bench) -> None:
    row = bench.run(commit=1, moods={"two": ["done:fail"]})
    assert row.status == "undone" and bench.files() == []


def test_a_stuck_operation_keeps_its_locks_and_its_error_until_a_person_retries_it(bench: Bench) -> None:
    row = bench.run(commit=1, moods={"three": ["do:fail*3"]}, locks=[["x", "exclusive"]])
    assert (row.status, row.step, row.backwards) == ("stuck", 2, False)
    assert row.error["message"] == "cannot write three: do fails as asked"
    waiting = bench.submit(label="b", names=("four",), locks=[["x", "shared"]])
    assert bench.engine.wait(waiting.id, 0.1).status == "queued"
    assert bench.engine.blockers(waiting.id) == [row.id]
    assert bench.stuck == ["stuck"]
    bench.engine.retry(row.id)
    assert bench.engine.wait(row.id, 10).status == "done"
    assert bench.engine.wait(waiting.id, 10).status == "done"
    assert bench.stuck == ["stuck", "running"]
    assert "operation.stuck" in bench.kinds()


def test_an_undo_that_fails_is_tried_again_then_stuck_and_the_first_error_is_kept(bench: Bench) -> None:
    row = bench.run(moods={"one": ["undo:fail"], "three": ["do:fail"]})
    assert (row.status, row.step, row.backwards) == ("stuck", 1, True)
    assert row.error["message"] == "cannot write three: do fails as asked"
    assert row.note == "cannot write one: undo fails as asked"
    assert bench.files() == ["one"]


def test_forgetting_gives_rows_and_locks_back_in_the_direction_it_was_going(bench: Bench) -> None:
    back = bench.run(moods={"one": ["undo:fail"], "two": ["do:fail"]}, locks=[["x", "exclusive"]])
    forth = bench.run(label="b", commit=0, names=("four", "five"), moods={"five": ["do:fail"]})
    assert (back.status, forth.status) == ("stuck", "stuck")
    assert bench.engine.forget(back.id).status == "undone"
    assert bench.engine.forget(forth.id).status == "done"
    assert [(row.label, row.created) for row in model.Label.select()] == [("b", 2.0)]
    assert bench.run(label="c", locks=[["x", "exclusive"]]).status == "done"
    assert bench.engine.get(forth.id).note == "forgotten with 1 steps left"
    with pytest.raises(Conflict, match="it is done, not stuck"):
        bench.engine.retry(forth.id)


def test_cancelling_interrupts_the_step_and_undoes_all(bench: Bench) -> None:
    row = bench.submit(moods={"two": ["do:wait"]})
    bench.until(lambda: bench.engine.get(row.id).step == 1)
    bench.engine.cancel(row.id)
    row = bench.engine.wait(row.id, 10)
    assert (row.status, row.error["code"]) == ("undone", "cancelled")
    assert row.error["message"] == "cannot finish files.write a: it was cancelled"
    assert bench.files() == []


def test_cancelling_a_queued_operation_ends_it_and_lets_those_behind_it_go(bench: Bench) -> None:
    first = bench.submit(moods={"one": ["do:wait"]}, locks=[["x", "shared"]])
    second = bench.submit(label="b", locks=[["x", "exclusive"]])
    third = bench.submit(label="c", names=("six",), locks=[["x", "shared"]])
    assert bench.engine.wait(third.id, 0.1).status == "queued"
    assert bench.engine.cancel(second.id).status == "undone"
    assert bench.engine.wait(third.id, 10).status == "done"
    assert bench.engine.wait(first.id, 0).status == "running"
    (bench.folder / "go").touch()
    assert bench.engine.wait(first.id, 10).status == "done"
    assert model.Label.get_or_none(model.Label.label == "b") is None


class FilesForGood(Files):
    kind = "files.for-good"
    forward_only = True


def test_what_only_goes_forward_is_never_undone_once_begun(bench: Bench) -> None:
    bench.engine.register([FilesForGood])
    args = {"label": "a", "names": ["one"], "folder": str(bench.folder), "moods": {"one": ["do:fail*2"]}}
    assert bench.engine.wait(bench.engine.submit(FilesForGood(), args, by="someone").id, 10).status == "done"
    args = {**args, "label": "b", "names": ["two"], "moods": {"two": ["do:wait"]}}
    row = bench.engine.submit(FilesForGood(), args, by="someone")
    bench.until(lambda: bench.engine.get(row.id).status == "running")
    with pytest.raises(Conflict, match="past the point"):
        bench.engine.cancel(row.id)
    (bench.folder / "go").touch()
    assert bench.engine.wait(row.id, 10).status == "done"


def test_after_the_commit_point_it_is_too_late_to_cancel(bench: Bench) -> None:
    row = bench.submit(commit=0, moods={"two": ["do:wait"]})
    bench.until(lambda: bench.engine.get(row.id).step == 1)
    with pytest.raises(Conflict, match="past the point"):
        bench.engine.cancel(row.id)
    (bench.folder / "go").touch()
    row = bench.engine.wait(row.id, 10)
    assert row.status == "done"
    with pytest.raises(Conflict, match="it is done"):
        bench.engine.cancel(row.id)
    with pytest.raises(NotFound, match="cannot find operation 999"):
        bench.engine.cancel(999)


def test_the_same_idempotency_key_gives_the_same_operation(bench: Bench) -> None:
    args = {"label": "a", "names": ["one"], "folder": str(bench.folder)}
    key, other = Key("k", "this request"), Key("k", "another request")
    first = bench.engine.submit(Files(), args, by="someone", key=key)
    assert bench.engine.submit(Files(), args, by="someone", key=key).id == first.id
    with pytest.raises(Conflict, match="cannot use the Idempotency-Key k again"):
        bench.engine.submit(Files(), args, by="someone", key=other)
    assert bench.engine.submit(Files(), {**args, "label": "b"}, by="another", key=key).id != first.id


def test_stopping_leaves_a_running_step_for_the_next_start(bench: Bench) -> None:
    row = bench.submit(moods={"two": ["do:wait"]})
    bench.until(lambda: bench.engine.get(row.id).step == 1)
    bench.ended.clear()
    started = time.monotonic()
    bench.engine.stop(5)
    assert time.monotonic() - started < 1
    assert (bench.engine.get(row.id).status, bench.engine.get(row.id).error) == ("running", None)
    (bench.folder / "go").touch()
    bench.ended.clear()
    bench.restart()
    assert bench.engine.wait(row.id, 10).status == "done"
    assert bench.ended[0].startswith(f"op-{row.id}-1-do-"), (
        "what an earlier process left of the step is ended before it runs again"
    )


class Sleeper(Write):
    name = "leave a process behind"

    def do(self, ctx: Context) -> None:
        LocalHost().run(["sh", "-c", f"sleep 60 >/dev/null 2>&1 & echo $! >{self.path}"])


class Sleepy(Files):
    kind = "files.sleepy"

    def steps(self, ctx: Context) -> list[Step]:
        return [Sleeper(Path(ctx.args["folder"]) / "pid", [])]


def test_whatever_a_step_started_is_gone_when_it_ends(bench: Bench) -> None:
    bench.engine.register([Sleepy])
    args = {"label": "a", "names": [], "folder": str(bench.folder)}
    row = bench.engine.wait(bench.engine.submit(Sleepy(), args, by="someone").id, 10)
    assert row.status == "done"
    command = Path("/proc", (bench.folder / "pid").read_text().strip(), "cmdline")
    assert not command.exists() or command.read_bytes() == b"", "it ended, even if nobody has reaped it yet"


def test_what_is_left_of_a_failed_step_is_ended_before_it_is_undone(bench: Bench) -> None:
    row = bench.run(names=("one", "two"), moods={"two": ["do:fail"]})
    assert [group.rpartition("-")[0] for group in bench.ended] == [f"op-{row.id}-1-do", f"op-{row.id}-1-undo"]


def test_an_unknown_kind_is_stuck_with_a_sentence_and_goes_on_once_it_is_known(bench: Bench) -> None:
    row = bench.submit(moods={"two": ["do:wait"]})
    bench.until(lambda: bench.engine.get(row.id).step == 1)
    bench.engine.stop(5)
    model.OperationRow.update(kind="files.unheard").execute()
    bench.restart()
    row = bench.engine.wait(row.id, 10)
    assert row.status == "stuck"
    assert row.error["message"] == (
        "cannot continue files.unheard a: this program does not know that kind of operation"
    )
    model.OperationRow.update(kind="files.write").execute()
    (bench.folder / "go").touch()
    bench.engine.retry(row.id)
    assert bench.engine.wait(row.id, 10).status == "done"


def test_steps_that_another_program_names_otherwise_are_not_run(bench: Bench) -> None:
    bench.engine.stop(5)
    row = bench.submit()
    model.OperationRow.update(steps=["write", "write"]).execute()
    bench.restart()
    assert "its steps are not the same" in bench.engine.wait(row.id, 10).error["message"]
    assert bench.files() == []


def test_fifty_shared_holders_run_side_by_side_as_far_as_there_are_threads(bench: Bench) -> None:
    moods = {"one": ["do:wait"]}
    rows = [
        bench.submit(
            label=f"n{i}", names=("one",), moods=moods, locks=[["image/m", "shared"], [f"image/{i}", "exclusive"]]
        )
        for i in range(50)
    ]
    bench.until(lambda: model.OperationRow.select().where(model.OperationRow.status == "running").count() == 4)
    (bench.folder / "go").touch()
    assert {bench.engine.wait(row.id, 10).status for row in rows} == {"done"}


def test_a_waiting_operation_holds_no_thread(bench: Bench) -> None:
    first = bench.submit(moods={"one": ["do:wait"]}, locks=[["x", "exclusive"]])
    waiting = [bench.submit(label=f"w{i}", names=(f"w{i}",), locks=[["x", "exclusive"]]) for i in range(20)]
    assert bench.run(label="other", names=("other",), locks=[["y", "exclusive"]]).status == "done"
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("operations-")]) <= 4
    (bench.folder / "go").touch()
    assert {bench.engine.wait(row.id, 10).status for row in [first, *waiting]} == {"done"}
    ends = [bench.engine.get(row.id).ended for row in [first, *waiting]]
    assert ends == sorted(ends), "the oldest goes first"


class Chatty(Write):
    name = "chatty"

    def do(self, ctx: Context) -> None:
        for count in range(100):
            ctx.log(f"line {count}")
            ctx.report(count / 100, f"at {count}")
            time.sleep(0.005)
        ctx.keep(found="a thing")


class Talk(Files):
    kind = "files.talk"

    def steps(self, ctx: Context) -> list[Step]:
        return [Chatty(Path("/"), []), Chatty(Path("/"), [])]


def test_progress_is_written_a_few_times_a_second_and_no_line_is_lost(bench: Bench) -> None:
    bench.engine.register([Talk])
    row = bench.engine.submit(Talk(), {"label": "a", "names": []}, by="someone")
    row = bench.engine.wait(row.id, 20)
    progress = [event.data["progress"] for event in bench.events.since(0, 1000) if event.kind == "operation.progress"]
    assert progress == sorted(progress) and 2 <= len(progress) <= 4 * (row.ended - row.started) + 2
    lines = [line.text for line in bench.engine.log(row.id)]
    assert [line for line in lines if line.startswith("line")] == [f"line {count}" for count in range(100)] * 2
    assert row.data == {"seen": True, "content": "hello", "found": "a thing"}


def test_an_operation_inside_a_transaction_that_fails_was_never_there(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), model.database.atomic():
        bench.submit()
        1 / 0  # noqa: B018
    assert model.OperationRow.select().count() == 0 and bench.files() == []


def test_a_start_does_not_wait_for_the_operations_that_it_finds_unfinished(bench: Bench) -> None:
    bench.engine.stop(5)
    with model.database.atomic():
        rows = [
            bench.submit(label=f"n{i}", names=(f"n{i}",), locks=[[f"server/{i}", "exclusive"]]) for i in range(1000)
        ]
    bench.restart()
    assert model.OperationRow.get_by_id(rows[-1].id).ended is None
    assert bench.engine.wait(rows[-1].id, 60).status == "done"
    bench.until(lambda: model.OperationRow.select().where(model.OperationRow.status == "done").count() == 1000, 60)


def test_old_operations_go_once_they_have_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT", 5)
    monkeypatch.setattr(journal, "SWEEP", 10)
    stuck = bench.run(label="stuck", commit=0, names=("s", "t"), moods={"t": ["do:fail"]})
    for count in range(9):
        bench.run(label=f"n{count}", names=())
    kept = [row.id for row in model.OperationRow.select()]
    assert kept == [stuck.id, 6, 7, 8, 9, 10]
    assert not bench.engine.log(2) and bench.engine.log(stuck.id)
