"""Making, moving and removing image files, as steps that other nouns' operations use too."""

import time

from origo import disks
from origo.contracts import Place
from origo.errors import size
from origo.model import Image
from origo.operations.base import Context, Step
from origo.services import pools


class ImageStep(Step):
    """A step about one image."""

    def __init__(self, image: str) -> None:
        self.image = image

    def row(self) -> Image:
        """The image's row as it is now."""
        return Image.get_by_id(self.image)

    def remove_file(self, ctx: Context) -> None:
        """Remove the image's file, wherever its state says it lies."""
        image = self.row()
        pools.driver(ctx.core, image.pool).remove(pools.spec(image.pool), pools.place(image))


class CreateDisk(ImageStep):
    """An empty qcow2 file."""

    name = "create the disk"

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"create {pools.path(ctx.core, image)} of {size(image.size_bytes)}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.create(ctx.core.local, pools.path(ctx.core, image), image.size_bytes)

    def undo(self, ctx: Context) -> None:
        self.remove_file(ctx)


class CloneDisk(ImageStep):
    """A child file that refers to its master's."""

    name = "clone the disk"

    def plan(self, ctx: Context) -> list[str]:
        image = self.row()
        return [f"create {pools.path(ctx.core, image)} as a child of {pools.path(ctx.core, image.master)}"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        disks.create_child(
            ctx.core.local,
            pools.path(ctx.core, image),
            pools.path(ctx.core, image.master),
            size_bytes=image.size_bytes,
        )

    def undo(self, ctx: Context) -> None:
        self.remove_file(ctx)


class ToTrash(ImageStep):
    """The file is renamed into the pool's trash."""

    name = "move into the trash"

    def places(self) -> tuple[Place, Place]:
        """Where the file lies while it is used, and in the trash."""
        image = self.row()
        image.state = "ready"
        used = pools.place(image)
        image.state = "trashed"
        return used, pools.place(image)

    def plan(self, ctx: Context) -> list[str]:
        used, trash = self.places()
        return [f"rename {used.area}/{used.name} to {trash.area}/{trash.name}"]

    def do(self, ctx: Context) -> None:
        used, trash = self.places()
        self.move(ctx, used, trash)
        Image.update(state="trashed", trashed=time.time()).where(Image.id == self.image).execute()

    def undo(self, ctx: Context) -> None:
        used, trash = self.places()
        self.move(ctx, trash, used)
        Image.update(state="ready", trashed=None).where(Image.id == self.image).execute()

    def move(self, ctx: Context, source: Place, target: Place) -> None:
        """Rename within the image's pool; the row follows at once, since the steps after it go by the row's path."""
        pool = self.row().pool
        pools.driver(ctx.core, pool).move(pools.spec(pool), source, target)


class FromTrash(ToTrash):
    """The file is renamed back from the pool's trash."""

    name = "take out of the trash"

    def plan(self, ctx: Context) -> list[str]:
        used, trash = self.places()
        return [f"rename {trash.area}/{trash.name} to {used.area}/{used.name}"]

    def do(self, ctx: Context) -> None:
        super().undo(ctx)

    def undo(self, ctx: Context) -> None:
        super().do(ctx)


class RemoveFile(ImageStep):
    """The file is removed for good: only for operations without a way back."""

    name = "remove the file"

    def plan(self, ctx: Context) -> list[str]:
        return [f"remove {pools.path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        self.remove_file(ctx)

    def undo(self, ctx: Context) -> None:
        """Nothing: what was removed cannot be brought back, and a removal that failed is tried again."""


class Seal(ImageStep):
    """A finished master can no longer be changed."""

    name = "seal the master"

    def plan(self, ctx: Context) -> list[str]:
        return [f"make {pools.path(ctx.core, self.row())} read-only"]

    def do(self, ctx: Context) -> None:
        image = self.row()
        place = Place("masters", f"{image.id}.{image.format}")
        pools.driver(ctx.core, image.pool).seal(pools.spec(image.pool), place)

    def undo(self, ctx: Context) -> None:
        """Nothing: the steps before it remove the file or move it back."""
