"""A command is read when it is asked for: each is found where the table says, and none waits for what others need."""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from origo import cli as commands
from origo.__main__ import cli
from origo.cli.nouns import PLACES

HEAVY = ("asyncio", "httpx2", "pydantic", "rich", "ssl", "structlog")


def below(command: click.Command) -> Iterator[click.Command]:
    """A command, and all those in it."""
    yield command
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from below(one)


def modules_of(*words: str) -> set[str]:
    """What is imported when `origo` ends that was called with these words."""
    script = "import sys; from origo.__main__ import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stdout, ended.stderr
    return set(ended.stderr.split())


def test_the_table_names_every_command_that_there_is() -> None:
    reached = {id(one) for name in PLACES for one in below(cli.read_all()[name])}
    unreached = [
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(commands.__path__)
        for name, one in vars(importlib.import_module(f"origo.cli.{module.name}")).items()
        if isinstance(one, click.Command) and id(one) not in reached
    ]
    assert unreached == []


@pytest.mark.parametrize("name", PLACES)
def test_each_command_is_where_the_table_says(name: str) -> None:
    module, _, called = PLACES[name].partition(":")
    found = getattr(importlib.import_module(module), called)
    assert found.name == name
    assert cli.get_command(click.Context(cli), name) is found


def test_the_help_lists_them_all_beside_those_of_the_engine_itself() -> None:
    listed = cli.list_commands(click.Context(cli))
    assert listed == sorted([*PLACES, "serve", "support-bundle"])
    shown = CliRunner().invoke(cli, ["--help"]).output.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()] == listed


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["stacks", "--help"], ["server", "start", "-h"]])
def test_help_waits_for_nothing_that_only_work_needs(words: list[str]) -> None:
    assert sorted(modules_of(*words) & {*HEAVY}) == []


def test_only_the_commands_that_are_asked_for_are_read() -> None:
    nouns = {place.partition(":")[0] for place in PLACES.values()}
    assert modules_of("--version") & nouns == set()
    assert modules_of("pools", "--help") & nouns == {"origo.cli.pools"}


def test_a_word_that_is_almost_a_command_is_told_from_those_not_read_yet() -> None:
    script = "from origo.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", script, "stakcs"], capture_output=True, text=True, check=False)
    assert (ended.returncode, "Did you mean 'stacks'?" in ended.stderr) == (2, True)


@pytest.mark.parametrize(("typed", "offered"), [("st", ["stacks"]), ("se", ["serve", "servers", "setup"])])
def test_the_shell_completes_commands_that_were_not_read_yet(typed: str, offered: list[str]) -> None:
    environment = {"COMP_WORDS": f"origo {typed}", "COMP_CWORD": "1", "_ORIGO_COMPLETE": "bash_complete"}
    script = "from origo.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == [f"plain,{name}" for name in offered]
