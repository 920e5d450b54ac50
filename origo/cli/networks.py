"""Commands about networks."""

import click

from origo import client
from origo.cli import output


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
@click.option("--nat/--no-nat", default=True, help="Whether its servers reach the world outside.")
@output.as_json
def create(name: str, nat: bool, json_: bool) -> None:
    """Add a network."""
    output.details(client.connect().post("/networks", {"name": name, "nat": nat}), json_=json_)


@group.command()
@click.argument("network")
def delete(network: str) -> None:
    """Remove a network without connections."""
    client.connect().delete(f"/networks/{client.key(network)}")
    click.echo(f"network {network} is deleted")
