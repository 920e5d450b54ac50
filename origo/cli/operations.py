"""Commands about operations."""

import click

from origo import client
from origo.cli import output


@click.group(name="operations")
def group() -> None:
    """Operations: changes that last."""


@group.command("list")
@click.option("--active", is_flag=True, help="Only those that are not over.")
@output.as_json
def list_(active: bool, json_: bool) -> None:
    """List operations, newest first."""
    found = client.connect().items("/operations", active=active)
    output.columns(found, ["id", "kind", "target", "status", "progress", "note", "created"], json_=json_)


@group.command()
@click.argument("operation")
@output.as_json
def show(operation: str, json_: bool) -> None:
    """Show an operation with its steps and its log."""
    output.details(client.connect().get(f"/operations/{client.key(operation)}"), json_=json_)


def _verb(verb: str, help: str) -> None:
    @group.command(verb, help=help)
    @click.argument("operation")
    @output.as_json
    def run(operation: str, json_: bool) -> None:
        output.details(client.connect().post(f"/operations/{client.key(operation)}/{verb}"), json_=json_)


_verb("cancel", "Undo what an operation has done so far.")
_verb("retry", "Let a stuck operation go on.")
_verb("forget", "End a stuck operation; what it left outside stays.")
