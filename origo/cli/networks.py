"""Commands about networks."""

import click

from origo import client
from origo.cli import output, verbs


@click.group(name="networks")
def group() -> None:
    """Networks, and the servers' connections to them."""


@group.command("list")
@output.as_json
def list_(json_: bool) -> None:
    """List networks."""
    found = client.connect().items("/networks")
    output.columns(found, ["id", "name", "subnet", "gateway", "nat"], json_=json_)


@group.command()
@click.argument("network")
@output.as_json
def show(network: str, json_: bool) -> None:
    """Show a network with its connections."""
    output.details(client.connect().get(f"/networks/{client.key(network)}"), json_=json_)


@group.command()
@click.argument("name")
@click.option("--nat/--no-nat", default=None, help="Whether its servers reach the world outside.")
@output.planned
@output.as_json
def create(name: str, nat: bool | None, plan: bool, json_: bool) -> None:
    """Add a network."""
    answer = client.connect().post("/networks", {"name": name, "nat": nat}, plan=plan)
    output.change(answer, json_=json_, plan=plan)


verbs.delete(group, "network", "Remove a network without connections.")
