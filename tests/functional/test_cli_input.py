"""What people type wrongly is answered in a sentence, and reaches nothing else than what they named."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from api_world import World
from click.testing import CliRunner

from origo import client
from origo.cli import networks, output, servers, sizes, stacks
from origo.errors import BadInput


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path / "h")
    made.web.start()
    monkeypatch.setenv("ORIGO_HOME", str(made.home))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    yield made
    made.web.stop()
    made.close()


@pytest.mark.parametrize("name", ["../users/anna", "a/b", "..", ".", "", "a\nb", "\udcff"])
def test_a_name_leads_nowhere_else(world: World, name: str) -> None:
    world.user("anna")
    result = CliRunner().invoke(networks.group, ["delete", "--", name])
    assert isinstance(result.exception, BadInput) and "as a name or id" in result.exception.message
    for verb in ("delete", "start"):
        result = CliRunner().invoke(servers.group, [verb, "--", name])
        assert isinstance(result.exception, BadInput) and "as a name or id" in result.exception.message
    assert client.connect().get("/users/anna")["name"] == "anna"


@pytest.mark.parametrize("name", ["a?limit=1", "a#b", "%2e%2e"])
def test_marks_of_an_address_are_letters_of_a_name(world: World, name: str) -> None:
    result = CliRunner().invoke(networks.group, ["show", name])
    assert str(result.exception) == f"cannot find network {name}"


def test_bytes_that_are_no_text_are_refused(world: World) -> None:
    with pytest.raises(BadInput, match="cannot send this request"):
        client.connect().post("/networks", {"name": "\udcff"})


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ORIGO_URL": "http://x:abc"}, "ORIGO_URL"),
        ({"ORIGO_URL": "http://[::1"}, "ORIGO_URL"),
        ({"ORIGO_URL": "https://x", "ORIGO_TOKEN": "\u00e4"}, "ORIGO_TOKEN"),
        ({"ORIGO_URL": "https://x", "ORIGO_TOKEN": "a\nb"}, "ORIGO_TOKEN"),
        ({"ORIGO_URL": "https://x", "ORIGO_CA": "/nowhere"}, "ORIGO_CA"),
        ({"ORIGO_URL": "https://x", "ORIGO_CA": "/etc/passwd"}, "ORIGO_CA"),
    ],
)
def test_a_wrong_environment_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(BadInput, match=f"cannot use {named}"):
        client.connect(environment)


@pytest.mark.parametrize("url", ["http://cloud.example", "http://10.0.0.1:8080", "http://127.evil.example"])
def test_a_token_is_not_sent_where_everybody_on_the_way_could_read_it(url: str) -> None:
    with pytest.raises(BadInput, match="cannot send a token to http:"):
        client.connect({"ORIGO_URL": url, "ORIGO_TOKEN": "origo_x"})
    for here in (
        "http://origo.localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:1",
        url.replace("http", "https"),
    ):
        client.connect({"ORIGO_URL": here, "ORIGO_TOKEN": "origo_x"}).close()


def test_what_strangers_wrote_neither_commands_the_terminal_nor_is_taken_for_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "a\x1b]0;owned\x07\x1b[2J\u202e [red]b[/red] [/c] :smile:"
    output.columns([{"id": "1", "note": evil}], ["id", "note"], json_=False)
    output.details({"note": evil, "log": [{"text": evil}]}, json_=False)
    output.say_error(evil, evil)
    shown = "".join(capsys.readouterr())
    assert shown.count("[red]b[/red] [/c] :smile:") == 5
    assert not any(sign in shown for sign in "\x1b\x07\u202e")


def test_a_size_beyond_all_numbers_is_no_size() -> None:
    with pytest.raises(click.BadParameter, match="is no size"):
        sizes.DISK.convert("9" * 400, None, None)


def test_an_answer_whose_file_is_missing_is_said() -> None:
    result = CliRunner().invoke(stacks.group, ["install", "hello", "--set-file", "greeting=/nowhere"])
    assert isinstance(result.exception, BadInput) and "cannot read the answer in /nowhere" in result.exception.message


def test_an_interrupted_wait_says_that_the_operation_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Waiting:
        def follow(self, operation: object) -> Iterator[dict[str, object]]:
            yield from itertools.repeat({"id": 7, "kind": "x", "note": "", "progress": 0.1}, 1)
            raise KeyboardInterrupt

    monkeypatch.setattr(client, "connect", Waiting)
    with pytest.raises(SystemExit) as ended:
        output.follow({"id": 7, "kind": "x"})
    assert ended.value.code == 1
    assert "operations show 7" in capsys.readouterr().err
