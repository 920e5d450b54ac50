"""Operations on files in a folder: small enough to see through, with every behaviour that an engine must stand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

from origo import host, model
from origo.errors import Conflict, OrigoError
from origo.events import Events
from origo.operations.base import Context, Cost, Lock, Mode, Operation, Step
from origo.operations.core import Core
from origo.operations.engine import Engine


class Write(Step):
    """Put one file into the folder."""

    name = "write"

    def __init__(self, path: Path, moods: list[str]) -> None:
        self.path = path
        self.moods = moods

    def plan(self, ctx: Context) -> list[str]:
        return [f"write {self.path.name} for {ctx.by}"]

    def do(self, ctx: Context) -> None:
        act(self.moods, "do", self.path)
        self.path.write_text(ctx.data["content"])
        act(self.moods, "done", self.path)

    def undo(self, ctx: Context) -> None:
        act(self.moods, "undo", self.path)
        self.path.unlink(missing_ok=True)


class WriteForGood(Write):
    """The same, but then there is no way back."""

    name = "write for good"
    commit = True


def act(moods: list[str], when: str, path: Path) -> None:
    """Misbehave as asked: `do:fail` always, `do:fail*2` twice, `do:crash` with an error that is none of ours,
    `do:wait` until the job is cancelled or a file called `go` appears."""
    for mood in moods:
        moment, _, what = mood.partition(":")
        if moment != when:
            continue
        what, _, times = what.partition("*")
        count = path.with_name(f".{path.name}.{moment}")
        count.write_text("x" * (1 + (len(count.read_text()) if count.exists() else 0)))
        if times and len(count.read_text()) > int(times):
            continue
        if what == "fail":
            raise Conflict(f"cannot write {path.name}: {moment} fails as asked")
        if what == "crash":
            raise KeyError("secret")
        while what == "wait" and not (path.parent / "go").exists():
            host.report(0.5, f"waiting with {path.name}")
            if host.current_job().cancelled():
                raise OrigoError(f"cannot write {path.name}: interrupted")
            time.sleep(0.005)


class Files(Operation):
    """Write files `names` into `folder`; `moods` says what goes wrong at which, `commit` which is the commit point."""

    kind = "files.write"
    targets = "files"

    def look(self, ctx: Context) -> None:
        ctx.data["seen"] = not model.database.in_transaction()
        if ctx.args.get("look") == "fail":
            raise Conflict("cannot write: the look fails as asked")

    def prepare(self, ctx: Context) -> None:
        if model.Label.get_or_none(model.Label.label == ctx.args["label"]) is not None:
            raise Conflict(f"cannot write {ctx.args['label']}: the name is taken")
        model.Label.create(label=ctx.args["label"], created=1.0)
        ctx.data["content"] = "hello"

    def target(self, ctx: Context) -> str:
        return str(ctx.args["label"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(name, Mode(mode)) for name, mode in ctx.args.get("locks", [])]

    def check(self, ctx: Context) -> None:
        if ctx.args.get("check") == "fail":
            raise Conflict("cannot write: the check fails as asked")

    def steps(self, ctx: Context) -> list[Step]:
        steps: list[Step] = []
        for index, name in enumerate(ctx.args["names"]):
            kind = WriteForGood if index == ctx.args.get("commit") else Write
            steps.append(kind(Path(ctx.args["folder"]) / name, ctx.args.get("moods", {}).get(name, [])))
        return steps

    def cost(self, ctx: Context) -> Cost:
        return Cost(disk_bytes=5 * len(ctx.args["names"]))

    def finish(self, ctx: Context) -> None:
        if ctx.args.get("finish") == "fail":
            raise Conflict("cannot finish: it fails as asked")
        model.Label.update(created=2.0).where(model.Label.label == ctx.args["label"]).execute()

    def release(self, ctx: Context) -> None:
        model.Label.delete().where(model.Label.label == ctx.args["label"]).execute()


class Bench:
    """A database, a folder and an engine on them; `restart` is what a new process would find."""

    moment: ClassVar[float] = 0.01

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.folder = path / "files"
        self.folder.mkdir(exist_ok=True)
        self.options: dict[str, Any] = {"backoff": (self.moment, self.moment), "workers": 4, **options}
        self.ended: list[str] = []
        self.stuck: list[str] = []
        model.connect(str(path / "origo.db"))
        model.database.create_tables(model.ROWS)
        self.engine = self.make()

    def make(self) -> Engine:
        self.events = Events()
        engine = Engine(
            self.events, self.ended.append, on_stuck=lambda row: self.stuck.append(row.status), **self.options
        )
        engine.core = cast(Core, None)
        engine.register([Files])
        return engine

    def restart(self) -> None:
        self.engine.stop(5)
        self.engine = self.make()
        self.engine.start()

    def submit(self, label: str = "a", names: tuple[str, ...] = ("one", "two", "three"), **args: Any) -> Any:
        args = {"label": label, "names": names, "folder": str(self.folder), **args}
        return self.engine.submit(Files(), args, by="someone")

    def run(self, **args: Any) -> Any:
        return self.engine.wait(self.submit(**args).id, 10)

    def files(self) -> list[str]:
        return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))  # noqa: PTH208

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events.since(0, 1000) if event.kind != "operation.progress"]

    def until(self, condition: Callable[[], bool], seconds: float = 5) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come true in time"
            time.sleep(0.005)

    def close(self) -> None:
        self.engine.stop(5)
        model.database.close()
        leftover = [thread.name for thread in threading.enumerate() if thread.name.startswith("operations-")]
        assert not leftover, leftover
