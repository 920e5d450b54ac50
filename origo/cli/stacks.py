"""Commands about stacks."""

from pathlib import Path

import click

from origo import client
from origo.cli import output, verbs
from origo.cli.catalog import build
from origo.errors import BadInput, reason


@click.group(name="stacks")
def group() -> None:
    """Stacks: services that are installed with one command."""


group.add_command(build)


@group.command("list")
@click.option("--trash", is_flag=True, help="Those in the trash.")
@output.as_json
def list_(trash: bool, json_: bool) -> None:
    """List installed stacks."""
    found = client.connect().items("/stacks", trash=trash)
    output.columns(found, ["id", "name", "power", "host", "created"], json_=json_)


@group.command()
@click.argument("stack")
@output.as_json
def show(stack: str, json_: bool) -> None:
    """Show a stack with its servers."""
    output.details(client.connect().get(f"/stacks/{client.key(stack)}"), json_=json_)


@group.command()
@click.argument("entry")
@click.option("--name", default=None, help="What it is called; by default as in the catalog.")
@click.option("--set", "answers", multiple=True, help="An answer, as question=answer (may be given again).")
@click.option("--set-file", "files", multiple=True, help="An answer from a file, as question=path (again).")
@output.planned
@output.as_json
def install(
    entry: str, name: str | None, answers: tuple[str, ...], files: tuple[str, ...], plan: bool, json_: bool
) -> None:
    """Install a stack from the catalog."""
    given = dict(_pair(text) for text in answers)
    given |= {question: _read(path) for question, path in map(_pair, files)}
    body = {"stack": entry, "name": name, "answers": given}
    output.change(client.connect().post("/stacks", body, plan=plan), json_=json_, plan=plan)


verbs.delete(group, "stack", "Move a stack with its servers and their disks into the trash.")
verbs.add(group, "stack", "start", "Start all servers of a stack.")
verbs.add(group, "stack", "stop", "Ask all guests of a stack to shut down, and wait until they have.")
verbs.add(group, "stack", "undelete", "Take a stack out of the trash.")
verbs.add(group, "stack", "purge", "Remove a stack in the trash for good, with its data.")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text}: write it as question=answer")
    return name, value


def _read(path: str) -> str:
    try:
        return Path(path).read_text().rstrip("\n")
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read the answer in {path}: {reason(error)}") from error
