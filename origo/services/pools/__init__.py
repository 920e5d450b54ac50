"""Pools: where images lie, and the paths of images in them."""

from typing import Any

from origo.contracts import Place, PoolSpec, Storage
from origo.errors import Conflict, NotFound, Unavailable
from origo.model import Image, Pool
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import Actor
from origo.services.pools import exporting, notes
from origo.services.pools.operations import CreatePool

FIRST = "default"
"""The name of pool 0, which every engine has."""


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """All pools, by number."""
    access.require(actor, "pools.list")
    rows = Pool.select().where(Pool.name.contains(query.q)).order_by(Pool.id)
    return {"items": [show_row(core, pool) for pool in rows], "next": ""}


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One pool, by number or name, with its room and health now."""
    access.require(actor, "pools.list")
    return show_row(core, find(id))


def create(core: Core, actor: Actor, body: Any) -> Any:
    """Make a pool: a folder, or a ZFS pool on a file or on devices."""
    access.require(actor, "pools.manage")
    return core.operations.submit(CreatePool(), body.model_dump(), by=actor.id, plan=actor.plan, key=actor.key)


def export(core: Core, actor: Actor, id: str, body: Any) -> Any:
    """Let machines mount a pool by NFS, those and no others."""
    access.require(actor, "pools.manage")
    return _export(core, actor, id, exporting.addresses(body.to))


def unexport(core: Core, actor: Actor, id: str) -> Any:
    """Let no machine mount a pool any more."""
    access.require(actor, "pools.manage")
    return _export(core, actor, id, [])


def _export(core: Core, actor: Actor, id: str, to: list[str]) -> Any:
    args = {"pool": find(id).id, "to": to}
    return core.operations.submit(exporting.ExportPool(), args, by=actor.id, plan=actor.plan, key=actor.key)


def find(key: str | int) -> Pool:
    """The pool of that number or name. Raises NotFound."""
    text = str(key)
    condition = Pool.id == number if (number := listing.number(text)) is not None else Pool.name == text
    pool = Pool.get_or_none(condition)
    if pool is None:
        none = "" if Pool.select().exists() else "there is none as long as this engine is not set up: run `origo setup`"
        raise NotFound(f"cannot find pool {key}", hint=none)
    return pool


def show_row(core: Core, pool: Pool) -> dict[str, Any]:
    """A pool as everybody sees it."""
    shown = {
        "id": pool.id,
        "name": pool.name,
        "driver": pool.driver,
        "path": pool.path,
        "state": pool.state,
        "exported": pool.exported,
        "created": pool.created,
    }
    try:
        usage = driver(core, pool).usage(spec(pool))
        if pool.state == "missing":
            notes.check_owner(core.local, driver(core, pool), spec(pool))
    except (Conflict, NotFound, Unavailable) as error:
        return shown | {"total_bytes": 0, "free_bytes": 0, "health": "failed", "sentence": error.message}
    return shown | {
        "total_bytes": usage.total_bytes,
        "free_bytes": usage.free_bytes,
        "health": usage.health,
        "sentence": usage.sentence,
    }


def check_ready(pool: Pool, what: str) -> None:
    """Raise Conflict when nothing may be put into that pool now; `what` is what was wanted."""
    if pool.state != "ready":
        raise Conflict(
            f"cannot {what}: pool {pool.name} is {pool.state}", hint=f"`origo pools show {pool.name}` says why"
        )


def spec(pool: Pool) -> PoolSpec:
    """The pool as its driver takes it."""
    return PoolSpec(id=pool.id, name=pool.name, path=pool.path, options=pool.options)


def driver(core: Core, pool: Pool) -> Storage:
    """The driver of this pool."""
    return core.drivers.storage(pool.driver, core.local, pool.options)


def place(image: Image) -> Place:
    """Where an image's file lies, by its kind and state."""
    if image.state == "trashed":
        return Place("trash", f"{image.id}.{image.format}")
    return Place("masters" if image.kind == "master" else "images", f"{image.id}.{image.format}")


def path(core: Core, image: Image) -> str:
    """The absolute path of an image's file."""
    return driver(core, image.pool).place(spec(image.pool), place(image))
