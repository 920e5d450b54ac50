"""Importing, flattening and growing: the steps that write a whole disk, or take a file from outside."""

from pathlib import PurePosixPath

from origo import client, disks
from origo.contracts import Place
from origo.errors import BadInput, NotFound
from origo.model import Image
from origo.operations.base import Context
from origo.operations.core import Core
from origo.services import pools, quotas
from origo.services.access import SYSTEM
from origo.services.images.steps import ImageStep


def source(core: Core, owner: str, file: str) -> str:
    """The path of a file that `owner` may import: one in the own import folder, or (the local socket) any path."""
    if owner == SYSTEM.id and file.startswith("/"):
        return file
    if PurePosixPath(file).name != file or file in (".", ".."):
        raise BadInput(f"cannot import {file}: it must be the name of a file in your import folder")
    path = core.config.path("import", owner, file)
    if not core.local.exists(path):
        raise NotFound(f"cannot import {file}: there is no such file in {core.config.path('import', owner)}")
    return path


def known_size(ctx: Context) -> int:
    """The bytes of the file to be imported; 0 for a URL that was not fetched yet."""
    return ctx.core.local.stat(ctx.data["source"]).size_bytes if ctx.data["source"] else 0


class AreaStep(ImageStep):
    """A step that makes a file beside the image's own."""

    def area(self, image: Image) -> Place:
        """Where that file lies."""
        raise NotImplementedError

    def path(self, ctx: Context, place: Place) -> str:
        """The absolute path of a place in the image's pool."""
        pool = self.row().pool
        return pools.driver(ctx.core, pool).place(pools.spec(pool), place)

    def remove(self, ctx: Context, place: Place) -> None:
        """Remove what lies there."""
        pool = self.row().pool
        pools.driver(ctx.core, pool).remove(pools.spec(pool), place)


class Fetch(ImageStep):
    """The file behind a URL is downloaded into the engine's incoming folder."""

    name = "download"

    def target(self, ctx: Context) -> str:
        """Where the download lies until it is converted."""
        return ctx.core.config.path("incoming", f"{self.image}.part")

    def plan(self, ctx: Context) -> list[str]:
        return [f"download {ctx.args['url']}"]

    def do(self, ctx: Context) -> None:
        ctx.core.local.make_folder(ctx.core.config.path("incoming"), mode=0o700)
        client.download(
            ctx.args["url"],
            self.target(ctx),
            sha256=ctx.args["sha256"],
            room_bytes=ctx.core.local.space(ctx.core.config.path("incoming")).free_bytes,
            private=ctx.by == SYSTEM.id,
        )

    def undo(self, ctx: Context) -> None:
        ctx.core.local.remove(self.target(ctx))


class Convert(ImageStep):
    """The file is examined as hostile and copied into a disk of ours; a download is removed then."""

    name = "examine and copy"

    def plan(self, ctx: Context) -> list[str]:
        what = ctx.args["url"] or ctx.data["source"]
        return [f"copy {what} to {pools.path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        file = ctx.data["source"] or Fetch(self.image).target(ctx)
        room = pools.driver(ctx.core, image.pool).usage(pools.spec(image.pool)).free_bytes
        name = ctx.args["file"] or ctx.args["url"]
        facts = disks.import_file(
            ctx.core.local, file, pools.path(ctx.core, image), image.format, name=name, room_bytes=room
        )
        quotas.check(image.owner_id, f"import image {image.name}", disk_bytes=facts.size_bytes - image.size_bytes)
        measured = {"size_bytes": facts.size_bytes, "allocated_bytes": facts.allocated_bytes}
        Image.update(**measured).where(Image.id == image.id).execute()
        if ctx.args["url"]:
            ctx.core.local.remove(file)

    def undo(self, ctx: Context) -> None:
        self.remove_file(ctx)


class IntoMaster(AreaStep):
    """The image is copied, without a backing file, to where masters lie."""

    name = "copy into a master"

    def area(self, image: Image) -> Place:
        return Place("masters", f"{image.id}.qcow2")

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"copy {pools.path(ctx.core, image)} to {self.path(ctx, self.area(image))}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        original = pools.path(ctx.core, image)
        disks.convert(ctx.core.local, original, image.format, self.path(ctx, self.area(image)), "qcow2")

    def undo(self, ctx: Context) -> None:
        self.remove(ctx, self.area(self.row()))


class DropOriginal(ImageStep):
    """What the master was made of is removed: there is no way back."""

    name = "remove the original"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        return [f"remove {pools.path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        place = Place("images", f"{image.id}.{image.format}")
        pools.driver(ctx.core, image.pool).remove(pools.spec(image.pool), place)

    def undo(self, ctx: Context) -> None:
        """Nothing: a removal that failed is tried again."""


class Flatten(AreaStep):
    """The child is copied, without a backing file, beside itself."""

    name = "copy without the master"

    def area(self, image: Image) -> Place:
        return Place("images", f"{image.id}.flat.qcow2")

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"copy {pools.path(ctx.core, image)} to {self.path(ctx, self.area(image))}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.convert(
            ctx.core.local, pools.path(ctx.core, image), image.format, self.path(ctx, self.area(image)), "qcow2"
        )

    def undo(self, ctx: Context) -> None:
        self.remove(ctx, self.area(self.row()))


class Replace(Flatten):
    """The copy takes the child's place: there is no way back, and no need for one."""

    name = "replace the child"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"rename {self.path(ctx, self.area(image))} to {pools.path(ctx.core, image)}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        copy = self.path(ctx, self.area(image))
        if ctx.core.local.exists(copy):
            ctx.core.local.rename(copy, pools.path(ctx.core, image))

    def undo(self, ctx: Context) -> None:
        """Nothing: the step before it removes the copy."""


class Grow(ImageStep):
    """The disk gets its new size; forward only, since making a disk smaller could lose data."""

    name = "grow the disk"
    commit = True

    def __init__(self, image: str, size_bytes: int) -> None:
        super().__init__(image)
        self.size_bytes = size_bytes

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"grow {pools.path(ctx.core, image)} from {image.size_bytes} to {self.size_bytes} bytes"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.grow(ctx.core.local, pools.path(ctx.core, image), image.format, self.size_bytes)

    def undo(self, ctx: Context) -> None:
        """Nothing: a disk that was not grown is as it was."""
