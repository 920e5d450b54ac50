"""Images: verbs. What lasts is in operations.py, its steps in steps.py."""

from typing import Any

from origo.errors import BadInput, Conflict
from origo.model import CatalogMaster, CatalogStack, Disk, Image, Pool, Server
from origo.operations.core import Core
from origo.services import access, listing, pools
from origo.services.access import Actor
from origo.services.images import operations


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The actor's images (all, for an administrator); those in the trash only when asked for."""
    access.require(actor, "images.list")
    rows = Image.select(Image, Pool).join(Pool)
    rows = rows if actor.admin else rows.where(Image.owner == actor.id)
    rows = rows.where(Image.state == "trashed" if query.trash else Image.state != "trashed")
    return listing.page(rows, Image, query, show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One image with its file's path and everything that depends on it."""
    access.require(actor, "images.list")
    image = listing.find(Image, "image", id, actor)
    return show_row(image) | {"path": pools.path(core, image), "used_by": dependents(image)}


def create(core: Core, actor: Actor, body: Any) -> Any:
    """An empty disk."""
    access.require(actor, "images.manage")
    args = body.model_dump() | {"owner": actor.id, "pool": pools.find(body.pool).id}
    return core.operations.submit(operations.CreateImage(), args, by=actor.id, plan=actor.plan, key=actor.key)


def import_(core: Core, actor: Actor, body: Any) -> Any:
    """A disk or medium from a file in the user's import folder, or from a URL."""
    access.require(actor, "images.manage")
    if bool(body.file) == bool(body.url):
        raise BadInput(f"cannot import image {body.name}: name either a file or a URL")
    if body.file and body.sha256:
        raise BadInput(
            f"cannot import image {body.name}: only a download is compared with a SHA-256",
            hint="compare the file before you import it: sha256sum FILE",
        )
    args = body.model_dump() | {"owner": actor.id, "pool": pools.find(body.pool).id}
    return core.operations.submit(operations.ImportImage(), args, by=actor.id, plan=actor.plan, key=actor.key)


def clone(core: Core, actor: Actor, id: str, body: Any) -> Any:
    """A child of a master: at once, and takes no room until something is written."""
    access.require(actor, "images.manage")
    image = listing.find(Image, "image", id, actor)
    if image.kind != "master":
        raise Conflict(f"cannot clone image {image.name}: it is no master", hint="make it a master first")
    args = {"master": image.id, "name": body.name, "size_bytes": body.size_bytes, "owner": actor.id}
    return core.operations.submit(operations.CloneImage(), args, by=actor.id, plan=actor.plan, key=actor.key)


def make_master(core: Core, actor: Actor, id: str) -> Any:
    """Turn an image that no server uses into a master."""
    return _change(core, actor, id, operations.MakeMaster())


def flatten(core: Core, actor: Actor, id: str) -> Any:
    """Copy what a child has from its master into it, so that it stands alone."""
    return _change(core, actor, id, operations.FlattenImage())


def grow(core: Core, actor: Actor, id: str, body: Any) -> Any:
    """Make a disk larger; there is no way to make it smaller."""
    return _change(core, actor, id, operations.GrowImage(), size_bytes=body.size_bytes)


def delete(core: Core, actor: Actor, id: str) -> Any:
    """Move an image that nothing uses into the trash."""
    return _change(core, actor, id, operations.DeleteImage())


def undelete(core: Core, actor: Actor, id: str) -> Any:
    """Take an image out of the trash."""
    return _change(core, actor, id, operations.UndeleteImage())


def purge(core: Core, actor: Actor, id: str) -> Any:
    """Remove an image in the trash for good."""
    return _change(core, actor, id, operations.PurgeImage())


def dependents(image: Image) -> list[dict[str, str]]:
    """What uses an image: servers, children, entries of the catalog."""
    found = []
    for disk in Disk.select(Disk, Server).join(Server).where(Disk.image == image):
        found.append({"noun": "server", "id": disk.server_id, "name": disk.server.name})
    for child in Image.select().where(Image.master == image):
        found.append({"noun": "image", "id": child.id, "name": child.name})
    for entry in CatalogStack.select().join(CatalogMaster).where(CatalogMaster.image == image).distinct():
        found.append({"noun": "catalog", "id": entry.id, "name": f"{entry.name} {entry.version}"})
    return found


def show_row(image: Image) -> dict[str, Any]:
    """An image as its owner sees it."""
    return {
        "id": image.id,
        "name": image.name,
        "owner": image.owner_id,
        "pool": image.pool_id,
        "kind": image.kind,
        "content": image.content,
        "format": image.format,
        "master": image.master_id,
        "size_bytes": image.size_bytes,
        "allocated_bytes": image.allocated_bytes,
        "state": image.state,
        "created": image.created,
        "trashed": image.trashed,
    }


def _change(core: Core, actor: Actor, id: str, operation: Any, **more: Any) -> Any:
    access.require(actor, "images.manage")
    image = listing.find(Image, "image", id, actor, trashed=operation.allowed == ("trashed",))
    args = {"image": image.id, "owner": image.owner_id, **more}
    return core.operations.submit(operation, args, by=actor.id, plan=actor.plan, key=actor.key)
