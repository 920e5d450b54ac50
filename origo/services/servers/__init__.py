"""Servers: verbs. What lasts is in operations.py, its steps in steps.py and parts.py."""

from typing import Any

from origo.contracts import Consoles
from origo.errors import BadInput, Conflict, Unsupported
from origo.model import Connection, Disk, Image, Network, Server
from origo.operations.core import Core
from origo.services import access, listing, networks, nodes, pools
from origo.services.access import SYSTEM, Actor
from origo.services.servers import consoles, operations, rebuilding


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The actor's servers (all, for an administrator); those in the trash only when asked for."""
    access.require(actor, "servers.list")
    rows = Server.select() if actor.admin else Server.select().where(Server.owner == actor.id)
    rows = rows.where(Server.state == "trashed" if query.trash else Server.state != "trashed")
    return listing.page(rows, Server, query, show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One server with its disks and connections."""
    access.require(actor, "servers.list")
    server = listing.find(Server, "server", id, actor)
    disks = Disk.select(Disk, Image).join(Image).where(Disk.server == server).order_by(Disk.position)
    cards = Connection.select(Connection, Server).join(Server).where(Connection.server == server)
    return show_row(server) | {
        "disks": [{"role": disk.role, "image": disk.image_id, "name": disk.image.name} for disk in disks],
        "connections": [networks.show_connection(card) for card in cards.order_by(Connection.position)],
    }


def create(core: Core, actor: Actor, body: Any) -> Any:
    """A new server; its disks are empty ones, children of masters, or images that are there."""
    access.require(actor, "servers.manage")
    network = listing.find(Network, "network", body.network, actor).id if body.network else ""
    disks = [_disk(actor, body, number, disk) for number, disk in enumerate(body.disks)]
    media = [_medium(actor, key) for key in body.media]
    args = {
        "name": body.name,
        "owner": actor.id,
        "memory_mb": body.memory_mb,
        "cpus": body.cpus,
        "start": body.start,
        "boot": body.boot,
        "network": network,
        "ports": body.ports,
        "disks": disks + media,
    }
    return core.operations.submit(operations.CreateServer(), args, by=actor.id, plan=actor.plan, key=actor.key)


def edit(core: Core, actor: Actor, id: str, body: Any) -> Any:
    """Change a server's name, memory or CPUs."""
    changes = {name: value for name, value in body.model_dump().items() if value is not None}
    if not changes:
        raise BadInput("cannot edit a server: there is nothing to change", hint="name at least one field")
    return _change(core, actor, id, operations.EditServer(), changes=changes)


def start(core: Core, actor: Actor, id: str) -> Any:
    """Start a stopped server."""
    return _change(core, actor, id, operations.StartServer())


def shutdown(core: Core, actor: Actor, id: str) -> Any:
    """Ask the guest to shut down."""
    return _change(core, actor, id, operations.ShutdownServer())


def poweroff(core: Core, actor: Actor, id: str) -> Any:
    """Turn the power off."""
    return _change(core, actor, id, operations.PowerOffServer())


def suspend(core: Core, actor: Actor, id: str) -> Any:
    """Let a running server stand still."""
    return _change(core, actor, id, operations.SuspendServer())


def resume(core: Core, actor: Actor, id: str) -> Any:
    """Let a suspended server go on."""
    return _change(core, actor, id, operations.ResumeServer())


def reset(core: Core, actor: Actor, id: str) -> Any:
    """Push a running server's reset button."""
    return _change(core, actor, id, operations.ResetServer())


def rebuild(core: Core, actor: Actor, id: str) -> Any:
    """Give a stopped server a fresh system disk; its data disk stays."""
    return _change(core, actor, id, rebuilding.RebuildServer())


def delete(core: Core, actor: Actor, id: str) -> Any:
    """Move a server with its disks into the trash."""
    return _change(core, actor, id, operations.DeleteServer())


def undelete(core: Core, actor: Actor, id: str) -> Any:
    """Take a server out of the trash."""
    return _change(core, actor, id, operations.UndeleteServer())


def purge(core: Core, actor: Actor, id: str) -> Any:
    """Remove a server in the trash for good."""
    return _change(core, actor, id, operations.PurgeServer())


def console(core: Core, actor: Actor, id: str) -> dict[str, str]:
    """Open the serial line of a running server: `socket` is where it is reached on the engine's machine."""
    access.require(actor, "servers.console")
    if actor.id != SYSTEM.id:
        raise Unsupported("cannot open a console from another machine", hint="run the command on the engine's machine")
    server = listing.find(Server, "server", id, actor)
    driver = nodes.hypervisor(core, server.node)
    if not isinstance(driver, Consoles):
        raise Unsupported(f"cannot open the console of server {server.name}: its hypervisor has none")
    if server.power == "stopped":
        raise Conflict(f"cannot open the console of server {server.name}: it is stopped", hint="start it first")
    return {"socket": consoles.offer(driver.serial(server.id), core.config.path("run", "consoles"))}


def show_row(server: Server) -> dict[str, Any]:
    """A server as its owner sees it; memory in MB."""
    return {
        "id": server.id,
        "name": server.name,
        "owner": server.owner_id,
        "node": server.node_id,
        "stack": server.stack_id,
        "memory_mb": server.memory_mb,
        "cpus": server.cpus,
        "boot": server.boot,
        "state": server.state,
        "power": server.power,
        "desired": server.desired,
        "created": server.created,
        "trashed": server.trashed,
    }


def _disk(actor: Actor, body: Any, number: int, disk: Any) -> dict[str, Any]:
    named = [name for name in ("master", "image", "size_bytes") if getattr(disk, name)]
    if named not in (["master"], ["master", "size_bytes"], ["image"], ["size_bytes"]):
        raise BadInput(f"cannot create server {body.name}: disk {number} needs a master, an image or a size")
    suffix = "" if number == 0 else f"-{number}"
    return {
        "role": "system" if number == 0 else "data",
        "name": f"{body.name}{suffix}",
        "pool": pools.find(disk.pool).id,
        "size_bytes": disk.size_bytes,
        "master": listing.find(Image, "image", disk.master, actor).id if disk.master else "",
        "image": listing.find(Image, "image", disk.image, actor).id if disk.image else "",
    }


def _medium(actor: Actor, key: str) -> dict[str, Any]:
    image = listing.find(Image, "image", key, actor)
    if image.content != "iso":
        raise BadInput(f"cannot put image {image.name} into a drive: it is no medium", hint="name it as a disk")
    return {"role": "media", "image": image.id}


def _change(core: Core, actor: Actor, id: str, operation: Any, **more: Any) -> Any:
    access.require(actor, "servers.manage")
    server = listing.find(Server, "server", id, actor, trashed=operation.state == "trashed")
    args = {"server": server.id, "owner": server.owner_id, **more}
    return core.operations.submit(operation, args, by=actor.id, plan=actor.plan, key=actor.key)
