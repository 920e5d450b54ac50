"""What each pool remembers of the engine and of its images, so that a pool without its engine can be understood."""

import json
from typing import Any

from origo.contracts import Place, PoolSpec, Storage
from origo.errors import Conflict
from origo.host import Host
from origo.model import Disk, EngineRow, Image, Pool, Server, Stack, User
from origo.operations.core import Core
from origo.services import pools
from origo.services.pools import noted

NOTES = Place("engine", "notes.json")
MOST_BYTES = 256 << 20
FLEETING = ("allocated_bytes", "power", "settled", "secret", "node")
"""Columns that are left out: what is measured or seen, and what is not for a disk that may be carried away."""


def check_owner(local: Host, driver: Storage, pool: PoolSpec) -> None:
    """Raise Conflict when an open pool remembers another engine; one that remembers nothing is anybody's."""
    head = noted.head(_text_of(local, driver.place(pool, NOTES)))
    if head is not None and head.engine.id != EngineRow.get().id:
        raise Conflict(
            f"cannot use pool {pool.name}: it has the images of another engine, {head.engine.name}",
            hint="`origo engine recover`, on an engine that is not set up, takes that engine back",
        )


def read(core: Core, pool: Pool) -> noted.Noted | None:
    """What an open pool of this engine remembers; None if that is nothing.

    Raises Conflict for what cannot be understood, or was noted by a newer version.
    """
    path = _path(core, pool)
    text = _text_of(core.local, path)
    head = noted.head(text)
    if head is not None and head.schema > noted.SCHEMA:
        raise Conflict(f"cannot note anything in pool {pool.name}: a newer version of Origo did")
    return noted.parse(text, path) if text else None


def write(core: Core, pool: Pool) -> None:
    """Write them into an open pool unless they are there already. Raises NoRoom and what the host says."""
    path = _path(core, pool)
    if _text_of(core.local, path) == _text(pool):
        return
    # Counted before it is written: only a database that went back counts less than a pool.
    Pool.update(noted=Pool.noted + 1).where(Pool.id == pool.id).execute()
    core.local.write(path, _text(Pool.get_by_id(pool.id)), mode=0o600)


def _path(core: Core, pool: Pool) -> str:
    return pools.driver(core, pool).place(pools.spec(pool), NOTES)


def _text_of(local: Host, path: str) -> bytes:
    """What is there; empty if nothing is."""
    return local.read(path, limit=MOST_BYTES) if local.exists(path) else b""


def _text(pool: Pool) -> bytes:
    return json.dumps(_notes(pool), sort_keys=True).encode()


def _notes(pool: Pool) -> dict[str, Any]:
    """The engine, the pool's images, the servers whose disks they are, with their stacks and owners."""
    engine = EngineRow.get()
    images = Image.select(Image.id).where(Image.pool == pool)
    disks = Disk.select().where(Disk.image.in_(images))
    servers = Server.select().where(Server.id.in_(disks.select(Disk.server)))
    return {
        "schema": noted.SCHEMA,
        "count": pool.noted,
        "engine": {"id": engine.id, "name": engine.name},
        "pool": {"id": pool.id, "name": pool.name, "driver": pool.driver, "options": pool.options},
        "images": _rows(Image.select().where(Image.pool == pool).order_by(Image.id)),
        "disks": _rows(disks.order_by(Disk.server, Disk.position)),
        "servers": _rows(servers.order_by(Server.id)),
        "stacks": _rows(Stack.select().where(Stack.id.in_(servers.select(Server.stack))).order_by(Stack.id)),
        "owners": {user.id: user.name for user in User.select(User.id, User.name).order_by(User.id)},
    }


def _rows(query: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in FLEETING} for row in query.dicts()]
