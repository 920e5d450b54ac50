"""From rows to what a hypervisor takes."""

from typing import Any

import peewee

from origo.contracts import DiskSpec, NicSpec, Place, ServerSpec
from origo.model import Connection, Disk, Image, Network, Pool, Server
from origo.operations.core import Core
from origo.services import pools


def build(core: Core, server: Server, **changes: Any) -> ServerSpec:
    """The server as it is to be defined; `changes` stand for values the row does not have yet."""
    values: dict[str, Any] = {
        "name": server.name,
        "memory_mb": server.memory_mb,
        "cpus": server.cpus,
        "boot": server.boot,
        "hardware": server.hardware,
    } | changes
    seed = [_seed(core, server)] if server.seed else []
    return ServerSpec(id=server.id, disks=(*_disks(core, server), *seed), nics=_nics(server), **values)


def seed_path(core: Core, server: Server) -> str:
    """Where the server's seed medium lies: beside its first disk."""
    pool = system_pool(server)
    return pools.driver(core, pool).place(pools.spec(pool), seed_place(server))


def seed_place(server: Server) -> Place:
    """The place of the seed medium in its pool."""
    return Place("images", f"{server.id}-seed.iso")


def system_pool(server: Server) -> Pool:
    """The pool of the server's first disk."""
    disk = Disk.select(Disk, Image).join(Image).where(Disk.server == server).order_by(Disk.position).first()
    return disk.image.pool if disk else pools.find(0)


def _disks(core: Core, server: Server) -> list[DiskSpec]:
    master = Image.alias()
    rows = (
        Disk.select(Disk, Image, Pool, master)
        .join_from(Disk, Image)
        .join_from(Image, Pool)
        .join_from(Image, master, peewee.JOIN.LEFT_OUTER, on=(Image.master == master.id))
        .where(Disk.server == server)
        .order_by(Disk.position)
    )
    return [_disk(core, row) for row in rows]


def _disk(core: Core, disk: Disk) -> DiskSpec:
    image = disk.image
    backing = ((pools.path(core, image.master), image.master.format),) if image.master_id else ()
    medium = image.content == "iso"
    return DiskSpec(
        path=pools.path(core, image),
        format=image.format,
        backing=backing,
        removable=medium,
        read_only=medium,
        serial=f"origo-{disk.role}" if disk.role != "system" else "",
    )


def _seed(core: Core, server: Server) -> DiskSpec:
    return DiskSpec(path=seed_path(core, server), format="raw", read_only=True, serial="origo-seed")


def _nics(server: Server) -> tuple[NicSpec, ...]:
    rows = (
        Connection.select(Connection, Network)
        .join(Network)
        .where(Connection.server == server)
        .order_by(Connection.position)
    )
    return tuple(NicSpec(mac=row.mac, bridge=row.network.bridge, tap=row.tap) for row in rows)
