"""Commands about images."""

import click

from origo import client
from origo.cli import output, sizes, verbs


@click.group(name="images")
def group() -> None:
    """Images: disks, masters they are cloned from, and media."""


@group.command("list")
@click.option("--trash", is_flag=True, help="Those in the trash.")
@click.option("-q", default="", help="Only names that contain this.")
@output.as_json
def list_(trash: bool, q: str, json_: bool) -> None:
    """List images."""
    found = client.connect().items("/images", trash=trash, q=q)
    output.columns(found, ["id", "name", "kind", "content", "format", "size_bytes", "pool", "state"], json_=json_)


@group.command()
@click.argument("image")
@output.as_json
def show(image: str, json_: bool) -> None:
    """Show an image and what depends on it."""
    output.details(client.connect().get(f"/images/{client.key(image)}"), json_=json_)


@group.command()
@click.argument("name")
@click.argument("size", type=sizes.DISK)
@click.option("--pool", default="0", help="The pool it lies in.")
@output.planned
@output.as_json
def create(name: str, size: int, pool: str, plan: bool, json_: bool) -> None:
    """Make an empty disk."""
    body = {"name": name, "size_bytes": size, "pool": pool}
    output.change(client.connect().post("/images", body, plan=plan), json_=json_, plan=plan)


@group.command("import")
@click.argument("name")
@click.argument("source")
@click.option("--sha256", default="", help="What the SHA-256 of a download must be.")
@click.option("--pool", default="0", help="The pool it goes into.")
@output.planned
@output.as_json
def import_(name: str, source: str, sha256: str, pool: str, plan: bool, json_: bool) -> None:
    """Import a disk or a medium from a file or a URL."""
    where = "url" if source.startswith(("http://", "https://")) else "file"
    body = {"name": name, where: source, "sha256": sha256, "pool": pool}
    output.change(client.connect().post("/images/import", body, plan=plan), json_=json_, plan=plan)


@group.command()
@click.argument("master")
@click.argument("name")
@click.option("--size", "size_bytes", type=sizes.DISK, default=None, help="A larger size.")
@output.planned
@output.as_json
def clone(master: str, name: str, size_bytes: int | None, plan: bool, json_: bool) -> None:
    """Clone a master."""
    body = {"name": name, "size_bytes": size_bytes}
    output.change(client.connect().post(f"/images/{client.key(master)}/clone", body, plan=plan), json_=json_, plan=plan)


@group.command()
@click.argument("image")
@click.argument("size", type=sizes.DISK)
@output.planned
@output.as_json
def grow(image: str, size: int, plan: bool, json_: bool) -> None:
    """Make a disk larger."""
    answer = client.connect().post(f"/images/{client.key(image)}/grow", {"size_bytes": size}, plan=plan)
    output.change(answer, json_=json_, plan=plan)


verbs.delete(group, "image", "Move an image into the trash.")
verbs.add(group, "image", "master", "Turn an image into a master.")
verbs.add(group, "image", "flatten", "Make a child independent of its master.")
verbs.add(group, "image", "undelete", "Take an image out of the trash.")
verbs.add(group, "image", "purge", "Remove an image in the trash for good.")
