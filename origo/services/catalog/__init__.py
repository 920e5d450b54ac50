"""The catalog: stacks that can be installed. A recipe is read and built by the modules beside this one."""

from typing import Any

from origo.errors import NotFound
from origo.model import CatalogStack
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import Actor
from origo.services.catalog import operations


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """Everything that can be installed, newest first."""
    access.require(actor, "catalog.list")
    return listing.page(CatalogStack.select().where(CatalogStack.state == "ready"), CatalogStack, query, show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One entry with its whole descriptor."""
    access.require(actor, "catalog.list")
    entry = find(id)
    return show_row(entry) | {"descriptor": entry.descriptor}


def create(core: Core, actor: Actor, body: Any) -> Any:
    """Build a stack from the recipe in a folder of this machine."""
    access.require(actor, "catalog.build")
    operations.check_folder(body.folder)
    args = {"folder": body.folder, "fresh": body.fresh}
    return core.operations.submit(operations.BuildStack(), args, by=actor.id, plan=actor.plan, key=actor.key)


def delete(core: Core, actor: Actor, id: str) -> Any:
    """Take a stack out of the catalog; installed ones must be purged before."""
    access.require(actor, "catalog.build")
    args = {"entry": find(id).id}
    return core.operations.submit(operations.DeleteEntry(), args, by=actor.id, plan=actor.plan, key=actor.key)


def find(key: str) -> CatalogStack:
    """The entry of that id, or the newest one of that name, or of `name@version`. Raises NotFound."""
    name, _, version = key.partition("@")
    ready = CatalogStack.select().where(CatalogStack.state == "ready")
    named = (CatalogStack.name == name) & ((CatalogStack.version == version) if version else True)
    entry: CatalogStack | None = (
        ready.where((CatalogStack.id == key) | named).order_by(CatalogStack.created.desc()).first()
    )
    if entry is None:
        raise NotFound(f"cannot find stack {key} in the catalog", hint="origo catalog list shows what there is")
    return entry


def show_row(entry: CatalogStack) -> dict[str, Any]:
    """An entry as everybody sees it."""
    return {
        "id": entry.id,
        "name": entry.name,
        "version": entry.version,
        "title": entry.title,
        "summary": entry.descriptor.get("summary", ""),
        "questions": entry.descriptor.get("questions", []),
        "created": entry.created,
    }
