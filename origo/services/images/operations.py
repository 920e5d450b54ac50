"""What lasts about images: create, import, clone, master, flatten, grow, delete, undelete, purge."""

from __future__ import annotations

import peewee

from origo.errors import BadInput, Conflict, NotFound, size
from origo.model import CatalogMaster, Disk, Image, Server, new_id
from origo.operations.base import Context, Cost, Lock, Mode, Operation, Step
from origo.services import listing, pools, quotas
from origo.services.images import copying, steps


def reserve(name: str, owner: str, pool: int, size_bytes: int, **more: object) -> Image:
    """A row for an image that is about to be made; called inside a transaction. Raises QuotaExceeded for a trash that
    is too full, Conflict for a pool that is not there."""
    pools.check_ready(pools.find(pool), f"make image {name}")
    quotas.check_trash(owner, f"make image {name}")
    return Image.create(id=new_id(), name=name, owner=owner, pool=pool, size_bytes=size_bytes, **more)


class MakesImage(Operation):
    """An operation that makes one new image: `data["image"]`."""

    targets = "images"

    def target(self, ctx: Context) -> str:
        return str(ctx.data["image"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"image/{ctx.data['image']}")]

    def cost(self, ctx: Context) -> Cost:
        return Cost(disk_bytes=Image.get_by_id(ctx.data["image"]).size_bytes)

    def finish(self, ctx: Context) -> None:
        Image.update(state="ready").where(Image.id == ctx.data["image"]).execute()

    def release(self, ctx: Context) -> None:
        Image.delete().where(Image.id == ctx.data["image"]).execute()


class CreateImage(MakesImage):
    """An empty disk."""

    kind = "images.create"

    def prepare(self, ctx: Context) -> None:
        args = ctx.args
        listing.check_free(Image, "image", args["name"], args["owner"])
        quotas.check(args["owner"], f"create image {args['name']}", disk_bytes=args["size_bytes"])
        ctx.data["image"] = reserve(args["name"], args["owner"], args["pool"], args["size_bytes"]).id

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.CreateDisk(ctx.data["image"])]


class CloneImage(MakesImage):
    """A child of a master."""

    kind = "images.clone"

    def prepare(self, ctx: Context) -> None:
        args = ctx.args
        master = Image.get_by_id(args["master"])
        size = max(args["size_bytes"] or 0, master.size_bytes)
        listing.check_free(Image, "image", args["name"], args["owner"])
        quotas.check(args["owner"], f"clone image {master.name}", disk_bytes=size)
        child = reserve(args["name"], args["owner"], master.pool_id, size, kind="child", master=master)
        ctx.data["image"] = child.id

    def check(self, ctx: Context) -> None:
        check_ready(Image.get_by_id(ctx.args["master"]), "clone")

    def locks(self, ctx: Context) -> list[Lock]:
        return [*super().locks(ctx), Lock(f"image/{ctx.args['master']}", Mode.SHARED)]

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.CloneDisk(ctx.data["image"])]


class ImportImage(MakesImage):
    """A disk or medium from a file or a URL, checked as hostile before anything else touches it."""

    kind = "images.import"

    def prepare(self, ctx: Context) -> None:
        args = ctx.args
        listing.check_free(Image, "image", args["name"], args["owner"])
        source = copying.source(ctx.core, args["owner"], args["file"]) if args["file"] else ""
        ctx.data["source"] = source
        ctx.data["image"] = reserve(args["name"], args["owner"], args["pool"], 0).id

    def locks(self, ctx: Context) -> list[Lock]:
        return [*super().locks(ctx), copies(ctx)]

    def cost(self, ctx: Context) -> Cost:
        return Cost(disk_bytes=copying.known_size(ctx))

    def steps(self, ctx: Context) -> list[Step]:
        image = ctx.data["image"]
        if not ctx.args["url"]:
            return [copying.Convert(image)]
        return [copying.Fetch(image), copying.Convert(image), copying.DropDownload(image)]


class ChangesImage(Operation):
    """An operation about one image that exists: `args["image"]`."""

    targets = "images"
    allowed: tuple[str, ...] = ("ready",)
    verb = "change"

    def target(self, ctx: Context) -> str:
        return str(ctx.args["image"])

    def owner(self, ctx: Context) -> str:
        return str(ctx.args["owner"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"image/{ctx.args['image']}")]

    def prepare(self, ctx: Context) -> None:
        self.check(ctx)

    def check(self, ctx: Context) -> None:
        image = Image.get_or_none(Image.id == ctx.args["image"])
        if image is None:
            raise NotFound(f"cannot {self.verb} image {ctx.args['image']}: it is gone")
        if image.state not in self.allowed:
            raise Conflict(f"cannot {self.verb} image {image.name}: it is {_IS[image.state]}")
        self.check_use(ctx, image)

    def check_use(self, ctx: Context, image: Image) -> None:
        """Raise Conflict when something uses the image that must not; by default, a running server."""
        disk = _used(image).where(Server.power != "stopped").first()
        if disk is not None:
            raise Conflict(
                f"cannot {self.verb} image {image.name}: server {disk.server.name} runs on it",
                hint="stop the server first",
            )


class MakeMaster(ChangesImage):
    """An image becomes a master: flattened, sealed, from then on only cloned."""

    kind = "images.master"
    verb = "make a master of"

    def check_use(self, ctx: Context, image: Image) -> None:
        if image.kind == "master":
            raise Conflict(f"cannot make a master of image {image.name}: it is one")
        if image.content == "iso":
            raise Conflict(f"cannot make a master of image {image.name}: it is a medium, which servers share as it is")
        check_unused(image, self.verb)

    def locks(self, ctx: Context) -> list[Lock]:
        return [*super().locks(ctx), copies(ctx)]

    def steps(self, ctx: Context) -> list[Step]:
        return [
            copying.IntoMaster(ctx.args["image"]),
            copying.SealForGood(ctx.args["image"]),
            copying.DropOriginal(ctx.args["image"]),
        ]

    def finish(self, ctx: Context) -> None:
        Image.update(kind="master", master=None, format="qcow2").where(Image.id == ctx.args["image"]).execute()


class FlattenImage(ChangesImage):
    """A child becomes a plain image that needs no master."""

    kind = "images.flatten"
    verb = "flatten"

    def check_use(self, ctx: Context, image: Image) -> None:
        if image.kind != "child":
            raise Conflict(f"cannot flatten image {image.name}: it has no master")
        super().check_use(ctx, image)

    def locks(self, ctx: Context) -> list[Lock]:
        master = Image.get_by_id(ctx.args["image"]).master_id
        shared = [Lock(f"image/{master}", Mode.SHARED)] if master else []
        return [*super().locks(ctx), copies(ctx), *shared, *_server_locks(ctx.args["image"])]

    def cost(self, ctx: Context) -> Cost:
        master = Image.get_by_id(ctx.args["image"]).master
        return Cost(disk_bytes=master.allocated_bytes if master else 0, downtime="its server stays off meanwhile")

    def steps(self, ctx: Context) -> list[Step]:
        return [copying.Flatten(ctx.args["image"])]

    def finish(self, ctx: Context) -> None:
        Image.update(kind="plain", master=None).where(Image.id == ctx.args["image"]).execute()


class GrowImage(ChangesImage):
    """A disk becomes larger; forward only, since a guest may use the new room at once."""

    kind = "images.grow"
    forward_only = True
    verb = "grow"

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        image = Image.get_by_id(ctx.args["image"])
        more = ctx.args["size_bytes"] - image.size_bytes
        quotas.promise(ctx, image.owner_id, f"grow image {image.name}", disk_bytes=more)

    def check_use(self, ctx: Context, image: Image) -> None:
        if image.kind == "master" or image.content == "iso":
            raise Conflict(f"cannot grow image {image.name}: a {_what(image)} never changes")
        if ctx.args["size_bytes"] <= image.size_bytes:
            raise BadInput(f"cannot grow image {image.name}: it has {size(image.size_bytes)} already")
        super().check_use(ctx, image)

    def locks(self, ctx: Context) -> list[Lock]:
        return [*super().locks(ctx), *_server_locks(ctx.args["image"])]

    def cost(self, ctx: Context) -> Cost:
        grown = ctx.args["size_bytes"] - Image.get_by_id(ctx.args["image"]).size_bytes
        return Cost(disk_bytes=grown, downtime="its server stays off meanwhile")

    def steps(self, ctx: Context) -> list[Step]:
        return [copying.Grow(ctx.args["image"], ctx.args["size_bytes"])]

    def finish(self, ctx: Context) -> None:
        Image.update(size_bytes=ctx.args["size_bytes"]).where(Image.id == ctx.args["image"]).execute()


class DeleteImage(ChangesImage):
    """An image goes into the trash."""

    kind = "images.delete"
    verb = "delete"

    def check_use(self, ctx: Context, image: Image) -> None:
        check_unused(image, self.verb)
        check_childless(image, self.verb)

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.ToTrash(ctx.args["image"])]


class UndeleteImage(ChangesImage):
    """An image comes out of the trash."""

    kind = "images.undelete"
    verb = "undelete"
    allowed = ("trashed",)

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        image = Image.get_by_id(ctx.args["image"])
        quotas.promise(ctx, image.owner_id, f"undelete image {image.name}", disk_bytes=image.size_bytes)

    def check_use(self, ctx: Context, image: Image) -> None:
        _check_no_server(image, self.verb)

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.FromTrash(ctx.args["image"])]


class PurgeImage(ChangesImage):
    """An image in the trash is removed for good."""

    kind = "images.purge"
    forward_only = True
    verb = "purge"
    allowed = ("trashed",)

    def check_use(self, ctx: Context, image: Image) -> None:
        _check_no_server(image, self.verb)
        check_childless(image, self.verb)

    def cost(self, ctx: Context) -> Cost:
        return Cost(disk_bytes=-Image.get_by_id(ctx.args["image"]).allocated_bytes)

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.RemoveFile(ctx.args["image"])]

    def finish(self, ctx: Context) -> None:
        Image.delete().where(Image.id == ctx.args["image"]).execute()


KINDS: tuple[type[Operation], ...] = (
    CreateImage, CloneImage, ImportImage, MakeMaster, FlattenImage, GrowImage, DeleteImage, UndeleteImage, PurgeImage,
)  # fmt: skip


def copies(ctx: Context) -> Lock:
    """What copies whole disks, or waits for a far server, follows one another for each owner: only so many operations
    run at once, and nobody shall have all of them for hours."""
    return Lock(f"copies/{ctx.args['owner']}")


def check_ready(image: Image, verb: str) -> None:
    """Raise Conflict for an image that is still being made, or in the trash."""
    if image.state != "ready":
        raise Conflict(f"cannot {verb} image {image.name}: it is {_IS[image.state]}")


def check_unused(image: Image, verb: str) -> None:
    """Raise Conflict when a server uses the image, naming it."""
    _check_no_server(image, verb)
    entry = CatalogMaster.select().where(CatalogMaster.image == image).first()
    if entry is not None:
        named = f"{entry.entry.name} {entry.entry.version}"
        raise Conflict(f"cannot {verb} image {image.name}: {named} in the catalog is installed from it")


def check_childless(image: Image, verb: str) -> None:
    """Raise Conflict when children depend on the image, naming one."""
    child = Image.select().where(Image.master == image).first()
    if child is not None:
        hint = "purge it too" if child.state == "trashed" else "delete or flatten it first"
        raise Conflict(f"cannot {verb} image {image.name}: image {child.name} is a child of it", hint=hint)


def _check_no_server(image: Image, verb: str) -> None:
    disk = _used(image).first()
    if disk is not None:
        where = " in the trash" if disk.server.state == "trashed" else ""
        raise Conflict(f"cannot {verb} image {image.name}: server {disk.server.name}{where} uses it")


def _used(image: Image) -> peewee.ModelSelect[Disk]:
    return Disk.select(Disk, Server).join(Server).where(Disk.image == image)


def _server_locks(image: str) -> list[Lock]:
    return [Lock(f"server/{disk.server_id}") for disk in Disk.select().where(Disk.image == image)]


def _what(image: Image) -> str:
    return "medium" if image.content == "iso" else "master"


_IS = {"creating": "still being made", "ready": "ready", "trashed": "in the trash"}
