"""The commands about users, against an engine's real socket."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_world import World
from click.testing import CliRunner

from origo.cli.users import group
from origo.errors import BadInput, NotFound

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    world = World(tmp_path / "h")
    world.web.start()
    monkeypatch.setenv("ORIGO_HOME", str(world.home))
    monkeypatch.delenv("ORIGO_URL", raising=False)

    def invoke(*arguments: str, typed: str = "") -> str:
        result = CliRunner().invoke(group, arguments, input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    yield invoke
    world.web.stop()
    world.close()


def test_a_user_from_the_first_link_to_the_end(run: Run) -> None:
    assert "/setup?ticket=" in run("setup-link")
    made = json.loads(run("create", "anna", "--memory", "2G", "--cpus", "3", "--json"))
    assert (made["quota_memory_mb"], made["quota_cpus"], made["quota_disk_bytes"]) == (2048, 3, None)
    assert "/setup?ticket=" in made["setup"]
    changed = json.loads(run("edit", "anna", "--cpus", "none", "--disk", "10G", "--json"))
    assert (changed["quota_memory_mb"], changed["quota_cpus"], changed["quota_disk_bytes"]) == (2048, None, 10 << 30)
    assert "anna" in run("list")
    assert "/setup?ticket=" in run("link", "anna")
    run("delete", "anna")
    with pytest.raises(NotFound, match="cannot find user anna"):
        run("show", "anna")


def test_a_password_is_asked_for_and_never_shown(run: Run) -> None:
    shown = run("create", "bert", "--password", typed="correct horse battery\ncorrect horse battery\n")
    assert "correct" not in shown
    assert json.loads(run("show", "bert", "--json"))["has_password"]
    with pytest.raises(BadInput):
        run("create", "carl", "--password", typed="short\nshort\n")


def test_tokens_and_sessions_are_listed_and_ended(run: Run) -> None:
    run("create", "anna")
    secret = run("tokens", "create", "backup", "--user", "anna", "--days", "7").strip()
    assert secret.startswith("origo_")
    listed = run("tokens", "list", "anna")
    assert "backup" in listed and secret not in listed
    run("tokens", "delete", "backup", "--user", "anna")
    assert json.loads(run("tokens", "list", "anna", "--json")) == []
    assert json.loads(run("sessions", "list", "anna", "--json")) == []
    with pytest.raises(NotFound):
        run("sessions", "end", "0" * 16, "--user", "anna")
