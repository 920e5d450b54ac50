"""A command that has done something ends with one line that says how the thing is now."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from origo import __main__, model
from origo.cli import outcomes
from origo.errors import Unavailable
from origo.services import engine, front
from origo.services import kinds as all_kinds
from tests.functional import kinds
from tests.functional.api_world import World

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("ORIGO_HOME", str(tmp_path))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    monkeypatch.setattr(front, "answers", lambda found: True)
    with kinds.running(tmp_path, kinds.an_entry) as core:
        world = World(tmp_path, core=core)
        world.web.start()
        yield lambda *words: CliRunner().invoke(__main__.cli, words)
        world.web.stop()


def said(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == ""
    return result.stdout


def test_every_kind_of_change_says_what_it_came_to() -> None:
    assert {kind.kind for kind in all_kinds.ALL} == outcomes.LINES.keys() | outcomes.GONE.keys()


def test_a_stack_tells_where_its_page_is_and_what_became_of_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    line = said(run("stacks", "install", "hello", "--name", "web"))
    url = f"http://{model.Stack.get().label}.origo.localhost:8080/"
    assert line == f"stack web runs: {url}\n"
    monkeypatch.setattr(front, "answers", lambda found: False)
    assert said(run("stack", "start", "web")) == f"stack web starts; its page will be at {url}\n"
    monkeypatch.setattr(engine, "urls", lambda core: ["https://origo.example.org"])
    url = f"https://{model.Stack.get().label}.origo.localhost/"
    assert said(run("stack", "start", "web")) == f"stack web starts; its page will be at {url}\n"
    line = said(run("stack", "delete", "web"))
    assert line == "stack web is in the trash; `origo stacks undelete web` brings it back\n"
    assert said(run("stack", "undelete", "web")) == "stack web is back, stopped\n"
    run("stack", "delete", "web")
    assert said(run("stack", "purge", "web")) == "stack web is gone for good, with its data\n"
    assert said(run("catalog", "delete", "hello")) == "stack hello is not in the catalog any more\n"


def test_images_servers_and_pools_say_how_they_are(run: Run) -> None:
    for words, line in (
        ("images create disk 1M", "image disk is there: 1 MiB"),
        ("images grow disk 2M", "image disk has 2 MiB now"),
        ("images master disk", "image disk is a master now, and never changes again"),
        ("servers create one --memory 64M --master disk --no-start", "server one is stopped"),
        ("servers edit one --cpus 2", "server one has 64 MB of memory and 2 CPUs"),
        ("servers start one", "server one runs: 10."),
        ("servers suspend one", "server one is suspended"),
        ("servers poweroff one", "server one is stopped"),
        ("servers delete one", "server one is in the trash; `origo servers undelete one` brings it back"),
        ("servers purge one", "server one is gone for good"),
        ("pools create more --driver files", "pool more is there: /"),
    ):
        shown = said(run(*words.split()))
        assert shown.startswith(line) and shown.count("\n") == 1, words


def test_what_is_done_at_once_says_so_too(run: Run) -> None:
    run("users", "create", "anna")
    run("users", "tokens", "create", "laptop", "--user", "anna")
    run("networks", "create", "lan")
    assert said(run("users", "tokens", "delete", "laptop", "--user", "anna")) == "token laptop is deleted\n"
    assert said(run("users", "delete", "anna")) == "user anna is deleted\n"
    assert said(run("networks", "delete", "lan")) == "network lan is deleted\n"


def test_a_plan_ends_with_what_it_takes_and_leaves_out_what_it_does_not(run: Run) -> None:
    run("servers", "create", "kept", "--memory", "64M", "--disk", "1M")
    for words, line in (
        ("images create disk 1M --plan", "takes 1 MiB of disk; downtime: "),
        ("servers create one --memory 64M --disk 1M --plan", "takes 64 MB of memory, 1 CPU, 1 MiB of disk, 1 add"),
        ("servers delete kept --plan", "gives back 64 MB of memory, 1 CPU; downtime: "),
        ("networks create lan --plan", "takes no room; downtime: "),
    ):
        assert said(run(*words.split())).splitlines()[-1].startswith(line), words


def test_json_and_a_failure_are_all_that_is_printed(run: Run) -> None:
    made = json.loads(said(run("images", "create", "disk", "1M", "--json")))
    assert (made["kind"], made["status"]) == ("images.create", "done")
    failed = run("images", "create", "disk", "1M")
    assert (failed.exit_code, failed.stdout) == (1, "")


def test_who_waits_sees_for_whom_and_how_long() -> None:
    said = outcomes.waiting(["web1", "queue1"], 12.3)
    assert said == "waiting for web1 and queue1 to shut down, 12 s of 60"


def test_a_shutdown_is_waited_for_and_one_that_does_not_come_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("servers", "create", "one", "--memory", "64M", "--disk", "1M")
    monkeypatch.setattr(outcomes, "SHUTDOWN_SECONDS", 0.5)
    monkeypatch.setattr(outcomes, "LOOK_SECONDS", 0.05)
    late = run("servers", "shutdown", "one")
    assert isinstance(late.exception, Unavailable) and late.stdout == ""
    assert late.exception.message.startswith("cannot say when server one stops: one was asked to shut down")
    assert "poweroff" in late.exception.hint

    def stop() -> None:
        asked = (model.OperationRow.kind == "servers.shutdown") & (model.OperationRow.status == "done")
        deadline = time.monotonic() + 20
        while model.OperationRow.select().where(asked).count() < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        model.Server.update(power="stopped").execute()
        model.database.close()

    monkeypatch.setattr(outcomes, "SHUTDOWN_SECONDS", 20)
    guest = threading.Thread(target=stop)
    guest.start()
    assert said(run("servers", "shutdown", "one")) == "server one is stopped\n"
    guest.join()
