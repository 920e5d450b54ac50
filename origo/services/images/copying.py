"""Importing, flattening and growing: the steps that write a whole disk, or take a file from outside."""

import shlex
from pathlib import PurePosixPath

from origo import disks
from origo.contracts import Place
from origo.errors import BadInput, NotFound, size
from origo.model import Image, database
from origo.operations.base import Context
from origo.operations.core import Core
from origo.services import pools, quotas
from origo.services.access import SYSTEM
from origo.services.images import folders
from origo.services.images.steps import ImageStep, Seal


def source(core: Core, owner: str, file: str) -> str:
    """The path of a file that `owner` may import: one in the own import folder, or (the local socket) any path."""
    if not file.isprintable():
        raise BadInput(f"cannot import {ascii(file)}: there are characters in its name that cannot be printed")
    if owner == SYSTEM.id and file.startswith("/"):
        return file
    if PurePosixPath(file).name != file or file in (".", ".."):
        raise BadInput(f"cannot import {file}: it must be the name of a file in your import folder")
    folder = folders.path(core, owner)
    if not core.local.exists(f"{folder}/{file}"):
        how = shlex.join(["install", "-m", "0644", file, f"{folder}/"])
        raise NotFound(
            f"cannot import {file}: there is no such file in {folder}",
            hint=f"an administrator can put it there: {how}",
        )
    return f"{folder}/{file}"


def known_size(ctx: Context) -> int:
    """The bytes of the file to be imported; 0 for a URL that was not fetched yet."""
    return ctx.core.local.stat(ctx.data["source"]).size_bytes if ctx.data["source"] else 0


FILE_BYTES = 1 << 20
"""What a disk's file may have besides its data, and a sixty-fourth of them."""
NOBODY = "nobody"
"""Who looks at files from outside: somebody without any right here."""


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
        from origo.client import fetching  # its libraries are only for those who download

        fetching.download(
            ctx.args["url"],
            self.target(ctx),
            sha256=ctx.args["sha256"],
            room_bytes=self._room(ctx),
            private=ctx.by == SYSTEM.id,
        )
        # Who examines it has no rights here, and nobody else comes through the folder above.
        ctx.core.local.protect(self.target(ctx), mode=0o644)

    def undo(self, ctx: Context) -> None:
        ctx.core.local.remove(self.target(ctx))

    def _room(self, ctx: Context) -> int:
        """No more than the owner may have as a disk, with what a file has besides; and never all that is free there."""
        free = ctx.core.local.space(ctx.core.config.path("incoming")).free_bytes * 9 // 10
        mine = quotas.left(self.row().owner_id, "disk_bytes")
        return free if mine is None else min(free, mine + mine // 64 + FILE_BYTES)


class Convert(ImageStep):
    """The file is examined as hostile and copied into a disk of ours."""

    name = "examine and copy"

    def plan(self, ctx: Context) -> list[str]:
        what = ctx.args["url"] or ctx.data["source"]
        return [f"copy {what} to {pools.path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        file = ctx.data["source"] or Fetch(self.image).target(ctx)
        room = pools.driver(ctx.core, image.pool).usage(pools.spec(image.pool)).free_bytes
        facts = disks.examine(ctx.core.local, file, user=NOBODY, room_bytes=room)
        iso = facts.format == "iso"
        with database.atomic():
            more = facts.size_bytes - image.size_bytes
            quotas.check(image.owner_id, f"import image {image.name}", disk_bytes=more)
            image.content, image.format = ("iso", "raw") if iso else ("disk", "qcow2")
            image.size_bytes = facts.size_bytes
            image.save()
        target = pools.path(ctx.core, image)
        disks.import_file(ctx.core.local, file, target, facts=facts, user=NOBODY, target_format=image.format)
        image.allocated_bytes = ctx.core.local.stat(target).allocated_bytes
        image.save()

    def undo(self, ctx: Context) -> None:
        self.remove_file(ctx)


class DropDownload(Fetch):
    """What was downloaded and copied is removed."""

    name = "remove the download"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        return [f"remove {self.target(ctx)}"]

    def do(self, ctx: Context) -> None:
        ctx.core.local.remove(self.target(ctx))

    def undo(self, ctx: Context) -> None:
        """Nothing: the download itself removes it."""


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
        original, target = pools.path(ctx.core, image), self.path(ctx, self.area(image))
        backing = pools.path(ctx.core, image.master) if image.master else None
        disks.convert(ctx.core.local, original, image.format, target, "qcow2", backing=backing)

    def undo(self, ctx: Context) -> None:
        self.remove(ctx, self.area(self.row()))


class SealForGood(Seal):
    """From here on there is no way back: next, what it was made of is removed."""

    commit = True


class DropOriginal(ImageStep):
    """What the master was made of is removed."""

    name = "remove the original"

    def plan(self, ctx: Context) -> list[str]:
        return [f"remove {pools.path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        place = Place("images", f"{image.id}.{image.format}")
        pools.driver(ctx.core, image.pool).remove(pools.spec(image.pool), place)

    def undo(self, ctx: Context) -> None:
        """Nothing: a removal that failed is tried again."""


class Flatten(ImageStep):
    """What the child shows of its master is copied into it; cut off at any point it is still the same child."""

    name = "copy from the master"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"copy what {pools.path(ctx.core, image)} shows of {pools.path(ctx.core, image.master)} into it"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.flatten(ctx.core.local, pools.path(ctx.core, image), backing=pools.path(ctx.core, image.master))

    def undo(self, ctx: Context) -> None:
        """Nothing: until it is done, a child that holds more than it must is as good as before."""


class Grow(ImageStep):
    """The disk gets its new size; forward only, since making a disk smaller could lose data."""

    name = "grow the disk"

    def __init__(self, image: str, size_bytes: int) -> None:
        super().__init__(image)
        self.size_bytes = size_bytes

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"grow {pools.path(ctx.core, image)} from {size(image.size_bytes)} to {size(self.size_bytes)}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.grow(ctx.core.local, pools.path(ctx.core, image), image.format, self.size_bytes)

    def undo(self, ctx: Context) -> None:
        """Nothing: a disk that was not grown is as it was."""
