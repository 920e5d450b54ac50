"""What each pool remembers of the engine and of its images, so that a pool without its engine can be understood."""

import json
from typing import Any

from origo.contracts import Place
from origo.model import Disk, EngineRow, Image, Pool, Server, Stack, User
from origo.operations.core import Core
from origo.services import pools

NOTES = Place("engine", "notes.json")
SCHEMA = 1
MOST_BYTES = 256 << 20
FLEETING = ("allocated_bytes", "power", "settled", "secret", "node")
"""Columns that are left out: what is measured or seen, and what is not for a disk that may be carried away."""


def write(core: Core, pool: Pool) -> None:
    """Write them into an open pool unless they are there already. Raises NoRoom and what the host says."""
    text = json.dumps(_notes(pool), sort_keys=True).encode()
    path = pools.driver(core, pool).place(pools.spec(pool), NOTES)
    if not core.local.exists(path) or core.local.read(path, limit=MOST_BYTES) != text:
        core.local.write(path, text, mode=0o600)


def _notes(pool: Pool) -> dict[str, Any]:
    """The engine, the pool's images, the servers whose disks they are, with their stacks and owners."""
    engine = EngineRow.get()
    images = Image.select(Image.id).where(Image.pool == pool)
    disks = Disk.select().where(Disk.image.in_(images))
    servers = Server.select().where(Server.id.in_(disks.select(Disk.server)))
    return {
        "schema": SCHEMA,
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
