"""Commands about pools."""

import click

from origo import client
from origo.cli import output


@click.group(name="pools")
def group() -> None:
    """Pools: where images lie."""


@group.command("list")
@output.as_json
def list_(json_: bool) -> None:
    """List pools."""
    found = client.connect().items("/pools")
    output.columns(found, ["id", "name", "driver", "path", "total_bytes", "free_bytes", "health"], json_=json_)


@group.command()
@click.argument("pool")
@output.as_json
def show(pool: str, json_: bool) -> None:
    """Show a pool with its room and health."""
    output.details(client.connect().get(f"/pools/{client.key(pool)}"), json_=json_)


@group.command()
@click.argument("name")
@click.option("--driver", default="storage_rsync", show_default=True, help="storage_rsync or storage_zfs.")
@click.option("--path", default="", help="The folder where it appears; by default below the home.")
@click.option("--option", "options", multiple=True, help="An option of the driver, as name=value (may be given again).")
@output.planned
@output.as_json
def create(name: str, driver: str, path: str, options: tuple[str, ...], plan: bool, json_: bool) -> None:
    """Make a pool: a folder, or a ZFS pool on a file or on devices."""
    body = {"name": name, "driver": driver, "path": path, "options": output.pairs(options)}
    output.change(client.connect().post("/pools", body, plan=plan), json_=json_, plan=plan)


@group.command()
@click.argument("pool")
@click.option("--to", "to", multiple=True, required=True, help="A machine's address (may be given again).")
@output.planned
@output.as_json
def export(pool: str, to: tuple[str, ...], plan: bool, json_: bool) -> None:
    """Let machines mount a pool by NFS 4.2: these, and no others."""
    answer = client.connect().post(f"/pools/{client.key(pool)}/export", {"to": list(to)}, plan=plan)
    output.change(answer, json_=json_, plan=plan)


@group.command()
@click.argument("pool")
@output.planned
@output.as_json
def unexport(pool: str, plan: bool, json_: bool) -> None:
    """Let no machine mount a pool any more."""
    output.change(client.connect().post(f"/pools/{client.key(pool)}/unexport", plan=plan), json_=json_, plan=plan)
