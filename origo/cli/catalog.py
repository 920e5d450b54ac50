"""Commands about the catalog."""

from pathlib import Path

import click

from origo import client
from origo.cli import output, verbs

RECIPES = Path("/usr/share/origo/stacks")
"""Where a package of Origo keeps the recipes that come with it."""


@click.group(name="catalog")
def group() -> None:
    """The catalog: stacks that can be installed."""


@group.command("list")
@output.as_json
def list_(json_: bool) -> None:
    """List what can be installed."""
    output.columns(client.connect().items("/catalog"), ["id", "name", "version", "title", "created"], json_=json_)


@group.command()
@click.argument("entry")
@output.as_json
def show(entry: str, json_: bool) -> None:
    """Show an entry with its descriptor."""
    output.details(client.connect().get(f"/catalog/{client.key(entry)}"), json_=json_)


@group.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--fresh", is_flag=True, help="Take today's packages instead of kept ones.")
@output.planned
@output.as_json
def build(folder: Path, fresh: bool, plan: bool, json_: bool) -> None:
    """Build a stack into the catalog from the folder of its recipe, or by its name where it came with Origo."""
    own = RECIPES / folder
    chosen = own if len(folder.parts) == 1 and own.is_dir() and not folder.is_dir() else folder.absolute()
    body = {"folder": str(chosen), "fresh": fresh}
    output.change(client.connect().post("/catalog", body, plan=plan), json_=json_, plan=plan)


verbs.delete(group, "entry", "Take a stack out of the catalog.")
