"""The rows and steps of a whole server, which operations about one server and about stacks have in common."""

import time
from typing import Any

from origo.errors import Conflict
from origo.model import Connection, Disk, Image, Node, Server
from origo.operations.base import Context, Lock, Mode, Step
from origo.services import networks, nodes, quotas
from origo.services.images import operations as image_operations
from origo.services.images import steps as image_steps
from origo.services.networks.steps import Connect, Disconnect
from origo.services.servers import steps


def reserve(ctx: Context, wanted: dict[str, Any]) -> dict[str, Any]:
    """Rows for a new server, its disks and its connection, and their ids; called inside a transaction.

    `wanted` has name, owner, memory_mb, cpus, start, network (an id, or "" for the owner's default), ports, and disks:
    each {"role", "name", "pool", "size_bytes"} with "master" (an image's id) for a child, with "image" for one that is
    there, or with neither for an empty one. Raises QuotaExceeded, NoRoom, Conflict.
    """
    what = f"create server {wanted['name']}"
    quotas.check(wanted["owner"], what, memory_mb=wanted["memory_mb"], cpus=wanted["cpus"])
    node = nodes.choose()
    if wanted["start"]:
        nodes.admit(ctx.core, node, what, wanted["memory_mb"])
    server = _add_server(wanted, node)
    disks = [_add_disk(server, position, disk, what) for position, disk in enumerate(wanted["disks"])]
    network = networks.usable(wanted["network"]) if wanted["network"] else networks.default(ctx.core, wanted["owner"])
    connection = networks.reserve(server, network, position=0, ports=wanted["ports"])
    return {"server": server.id, "disks": disks, "connections": [connection.id], "start": wanted["start"]}


def creation(made: dict[str, Any]) -> list[Step]:
    """The steps that make the files and the definition of a reserved server; connecting and starting come after."""
    files: list[Step] = []
    for disk in made["disks"]:
        if disk["how"] == "clone":
            files.append(image_steps.CloneDisk(disk["image"]))
        elif disk["how"] == "create":
            files.append(image_steps.CreateDisk(disk["image"]))
    return [*files, steps.Define(made["server"], new=True)]


def masters(made: dict[str, Any]) -> list[Lock]:
    """Shared locks on the masters its disks are cloned from, exclusive ones on what it takes as it is."""
    mine = [Lock(f"image/{disk['image']}", Mode(disk["lock"])) for disk in made["disks"]]
    return mine + [Lock(f"image/{disk['master']}", Mode.SHARED) for disk in made["disks"] if disk["master"]]


def settle(made: dict[str, Any]) -> None:
    """The rows of a server that is there now."""
    new = [disk["image"] for disk in made["disks"] if disk["how"] != "take"]
    Image.update(state="ready").where(Image.id.in_(new)).execute()
    Server.update(state="ready", settled=Server.desired).where(Server.id == made["server"]).execute()


def release(made: dict[str, Any]) -> None:
    """No rows of a server that is not there after all."""
    new = [disk["image"] for disk in made["disks"] if disk["how"] != "take"]
    Connection.delete().where(Connection.server == made["server"]).execute()
    Disk.delete().where(Disk.server == made["server"]).execute()
    Image.delete().where(Image.id.in_(new)).execute()
    Server.delete().where(Server.id == made["server"]).execute()


def describe(server: Server) -> dict[str, Any]:
    """What deleting and restoring need to know of a server, chosen before the first step."""
    disks = Disk.select(Disk, Image).join(Image).where((Disk.server == server) & (Disk.role != "media"))
    connections = Connection.select().where(Connection.server == server).order_by(Connection.position)
    return {
        "server": server.id,
        "position": server.position,
        "seed": server.seed,
        "images": [disk.image_id for disk in disks.order_by(Disk.position)],
        "connections": [connection.id for connection in connections],
    }


def earlier(id: str) -> dict[str, Any]:
    """What a server does now and which of its connections are active, for an undo to go back to."""
    server = Server.get_by_id(id)
    active = Connection.select().where((Connection.server == server) & Connection.active)
    return {"was": server.power, "up": server.settled != "stopped", "active": [row.id for row in active]}


def check_disks(known: dict[str, Any], verb: str) -> None:
    """Raise Conflict when a server got another disk since it was described, such as by a rebuild before its turn."""
    server = Server.get_by_id(known["server"])
    if describe(server)["images"] != known["images"]:
        raise Conflict(f"cannot {verb} server {server.name}: its disks changed meanwhile", hint="try again")


def check_masters(made: dict[str, Any]) -> None:
    """Raise Conflict when a master that a disk is to be cloned from went into the trash meanwhile."""
    for master in Image.select().where(Image.id.in_([disk["master"] for disk in made["disks"]])):
        image_operations.check_ready(master, "clone")


def afford(ctx: Context, known: list[dict[str, Any]], what: str) -> None:
    """Promise what these servers in the trash, of one owner, take again. Raises QuotaExceeded."""
    servers = list(Server.select().where(Server.id.in_([one["server"] for one in known])))
    images = Image.select().where(Image.id.in_([image for one in known for image in one["images"]]))
    if servers:
        quotas.promise(
            ctx,
            servers[0].owner_id,
            what,
            memory_mb=sum(server.memory_mb for server in servers),
            cpus=sum(server.cpus for server in servers),
            disk_bytes=sum(image.size_bytes for image in images),
        )


def deletion(known: dict[str, Any]) -> list[Step]:
    """The steps that put a server into the trash."""
    server = known["server"]
    disconnect = [Disconnect(known["connections"], known["active"], up=known["up"])] if known["connections"] else []
    trash = [image_steps.ToTrash(image) for image in known["images"]]
    return [steps.PowerOff(server, was=known["was"]), *disconnect, steps.Undefine(server), *trash]


def restoration(known: dict[str, Any]) -> list[Step]:
    """The steps that take a server out of the trash; it is stopped then."""
    back = [image_steps.FromTrash(image) for image in known["images"]]
    return [*back, steps.Define(known["server"], new=True)]


def removal(known: dict[str, Any]) -> list[Step]:
    """The steps that remove a server in the trash for good."""
    seed = [steps.RemoveSeed(known["server"])] if known["seed"] else []
    return [*seed, *(image_steps.RemoveFile(image) for image in known["images"])]


def mark(known: dict[str, Any], *, trashed: bool) -> None:
    """The row of a server that went into the trash, or came out of it; its images' rows went with their files."""
    values = {"state": "trashed", "trashed": time.time()} if trashed else {"state": "ready", "trashed": None}
    stopped = dict.fromkeys(("power", "desired", "settled"), "stopped")
    Server.update(**stopped, **values).where(Server.id == known["server"]).execute()


def forget(known: dict[str, Any]) -> None:
    """No rows of a server that was removed for good."""
    release({"server": known["server"], "disks": [{"image": image, "how": "own"} for image in known["images"]]})


def connect(made: list[dict[str, Any]]) -> list[Step]:
    """One step that connects all these servers."""
    connections = [id for one in made for id in one["connections"]]
    return [Connect(connections)] if connections else []


def _add_server(wanted: dict[str, Any], node: Node) -> Server:
    return Server.create(
        name=wanted["name"],
        owner=wanted["owner"],
        node=node,
        stack=wanted.get("stack"),
        member=wanted.get("member", ""),
        position=wanted.get("position", 0),
        memory_mb=wanted["memory_mb"],
        cpus=wanted["cpus"],
        boot=wanted.get("boot", "disk"),
        seed=wanted.get("seed", False),
        desired="running" if wanted["start"] else "stopped",
    )


def _add_disk(server: Server, position: int, disk: dict[str, Any], what: str) -> dict[str, Any]:
    role = disk["role"]
    if disk.get("image"):
        image = Image.get_by_id(disk["image"])
        _check_usable(image, what, role)
        how, mode = "take", Mode.SHARED if role == "media" else Mode.EXCLUSIVE
    else:
        image = _new_image(server, disk, what)
        how, mode = "clone" if image.master_id else "create", Mode.EXCLUSIVE
    Disk.create(server=server, image=image, position=position, role=role)
    return {"image": image.id, "how": how, "master": image.master_id, "lock": mode}


def _new_image(server: Server, disk: dict[str, Any], what: str) -> Image:
    if not disk.get("master"):
        quotas.check(server.owner_id, what, disk_bytes=disk["size_bytes"])
        return image_operations.reserve(disk["name"], server.owner_id, disk["pool"], disk["size_bytes"])
    master = Image.get_by_id(disk["master"])
    image_operations.check_ready(master, "clone")
    size = max(disk["size_bytes"] or 0, master.size_bytes)
    quotas.check(server.owner_id, what, disk_bytes=size)
    return image_operations.reserve(disk["name"], server.owner_id, master.pool_id, size, kind="child", master=master)


def _check_usable(image: Image, what: str, role: str) -> None:
    image_operations.check_ready(image, "use")
    if role == "media":
        return
    if image.kind == "master":
        raise Conflict(f"cannot {what}: image {image.name} is a master", hint="clone it first")
    user = Disk.select(Disk, Server).join(Server).where(Disk.image == image).first()
    if user is not None:
        raise Conflict(f"cannot {what}: server {user.server.name} uses image {image.name}")
