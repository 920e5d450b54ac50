"""Building a stack from its recipe into the catalog, and taking it out again."""

from pathlib import Path
from typing import Any

from origo.errors import BadInput, Conflict
from origo.model import CatalogMaster, CatalogStack, Disk, Image, Stack
from origo.operations.base import Context, Cost, Lock, Operation, Step
from origo.services import pools
from origo.services.access import SYSTEM
from origo.services.catalog import build, descriptor, recipe_read
from origo.services.images import operations as image_operations
from origo.services.images import steps


class BuildMaster(steps.ImageStep):
    """One master is built into its place."""

    name = "build a master"

    def __init__(self, image: str, number: int) -> None:
        super().__init__(image)
        self.number = number

    def folders(self, ctx: Context) -> dict[str, str]:
        """Where it is built, and where the finished file goes."""
        work = ctx.core.config.path("build", self.image)
        return {"work_folder": work, "target_path": pools.path(ctx.core, self.row())}

    def plan(self, ctx: Context) -> list[str]:
        return [f"build {self.row().name} into {self.folders(ctx)['target_path']}"]

    def do(self, ctx: Context) -> None:
        recipe = recipe_read.read(ctx.args["folder"])
        masters = build.masters(recipe, ctx.args["folder"])
        if build.digest(recipe, ctx.args["folder"]) != ctx.data["digest"]:
            raise BadInput(f"cannot build {recipe.name}: its folder changed meanwhile", hint="build it again")
        ctx.log(f"building {self.row().name}")
        build.build_master(
            ctx.core.local,
            recipe,
            ctx.args["folder"],
            masters[self.number],
            cache_folder=ctx.core.config["cache"],
            log=ctx.log,
            fresh=ctx.args["fresh"],
            **self.folders(ctx),
        )

    def undo(self, ctx: Context) -> None:
        build.discard(**self.folders(ctx))
        self.remove_file(ctx)


class Describe(Step):
    """The descriptor is made from the recipe and the finished files."""

    name = "describe the stack"

    def plan(self, ctx: Context) -> list[str]:
        return ["write the descriptor"]

    def do(self, ctx: Context) -> None:
        folder = ctx.args["folder"]
        recipe = recipe_read.read(folder)
        images = [Image.get_by_id(image) for image in ctx.data["images"]]
        files = [
            build.master_file(ctx.core.local, master, pools.path(ctx.core, image))
            for master, image in zip(build.masters(recipe, folder), images, strict=True)
        ]
        icon = descriptor.icon_url(recipe, folder)
        ctx.keep(descriptor=descriptor.write(descriptor.describe(recipe, ctx.data["digest"], files, icon)))

    def undo(self, ctx: Context) -> None:
        """Nothing: it is only data of this operation."""


class BuildStack(Operation):
    """A stack comes into the catalog; nothing is built when everything is as it was the last time."""

    kind = "catalog.build"
    targets = "catalog"

    def look(self, ctx: Context) -> None:
        folder = ctx.args["folder"]
        recipe = recipe_read.read(folder)
        ctx.data.update(name=recipe.name, version=recipe.version, title=recipe.title)
        ctx.data.update(digest=build.digest(recipe, folder), images=[])
        ctx.data["masters"] = [
            {"role": master.role, "members": master.members, "size_bytes": master.size_bytes}
            for master in build.masters(recipe, folder)
        ]

    def prepare(self, ctx: Context) -> None:
        data = ctx.data
        entry = CatalogStack.get_or_none(CatalogStack.digest == data["digest"])
        data["new"] = entry is None
        if entry is None:
            self._reserve(data)
        elif entry.state == "creating":
            raise Conflict(f"cannot build {data['name']} {data['version']}: it is being built already")
        elif entry.state == "leaving":
            raise Conflict(
                f"cannot build {data['name']} {data['version']}: it is just being taken out of the catalog",
                hint="try again once that is done",
            )
        else:
            data["entry"] = entry.id

    def _reserve(self, data: dict[str, Any]) -> None:
        named = {key: data[key] for key in ("name", "version", "title", "digest")}
        entry = CatalogStack.create(descriptor={}, **named)
        data["entry"] = entry.id
        pool = pools.find(0)
        for master in data["masters"]:
            name = f"{data['name']}-{data['version']}-{master['members'][0]}-{master['role']}"
            image = image_operations.reserve(name, SYSTEM.id, pool.id, master["size_bytes"], kind="master")
            data["images"].append(image.id)
            for member in master["members"]:
                CatalogMaster.create(entry=entry, member=member, role=master["role"], image=image)

    def target(self, ctx: Context) -> str:
        return str(ctx.data["entry"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"catalog/{ctx.data['entry']}")]

    def steps(self, ctx: Context) -> list[Step]:
        if not ctx.data["new"]:
            return []
        made: list[Step] = []
        for number, image in enumerate(ctx.data["images"]):
            made += [BuildMaster(image, number), steps.Seal(image)]
        return [*made, Describe()]

    def cost(self, ctx: Context) -> Cost:
        return Cost(disk_bytes=sum(Image.get_by_id(image).size_bytes for image in ctx.data["images"]))

    def finish(self, ctx: Context) -> None:
        if ctx.data["new"]:
            files = ctx.data["descriptor"]["masters"]
            for image, file in zip(ctx.data["images"], files, strict=True):
                Image.update(state="ready", allocated_bytes=file["file_bytes"]).where(Image.id == image).execute()
            update = CatalogStack.update(state="ready", descriptor=ctx.data["descriptor"])
            update.where(CatalogStack.id == ctx.data["entry"]).execute()

    def release(self, ctx: Context) -> None:
        if ctx.data["new"]:
            CatalogMaster.delete().where(CatalogMaster.entry == ctx.data["entry"]).execute()
            CatalogStack.delete().where(CatalogStack.id == ctx.data["entry"]).execute()
            Image.delete().where(Image.id.in_(ctx.data["images"])).execute()


class DeleteEntry(Operation):
    """A stack leaves the catalog; its masters go into the trash where no child is left."""

    kind = "catalog.delete"
    targets = "catalog"

    def prepare(self, ctx: Context) -> None:
        rows = Image.select().join(CatalogMaster).where(CatalogMaster.entry == ctx.args["entry"]).distinct()
        ctx.data["images"] = [image.id for image in rows]
        self.check(ctx)
        CatalogStack.update(state="leaving").where(CatalogStack.id == ctx.args["entry"]).execute()

    def check(self, ctx: Context) -> None:
        children = Image.select().where(Image.master.in_(ctx.data["images"]))
        child = children.order_by(Image.state == "trashed").first()
        if child is not None:
            entry = CatalogStack.get_by_id(ctx.args["entry"])
            user, trashed = _user(child)
            where, first = (", which is in the trash,", "purge it") if trashed else ("", "delete and purge it")
            raise Conflict(
                f"cannot take {entry.name} {entry.version} out of the catalog: {user}{where} is made from it",
                hint=f"{first} first",
            )
        stack = Stack.get_or_none(Stack.entry == ctx.args["entry"])
        if stack is not None:
            entry = CatalogStack.get_by_id(ctx.args["entry"])
            raise Conflict(
                f"cannot take {entry.name} {entry.version} out of the catalog: stack {stack.name} is started with it",
                hint="delete and purge it first",
            )

    def target(self, ctx: Context) -> str:
        return str(ctx.args["entry"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"catalog/{ctx.args['entry']}"), *(Lock(f"image/{image}") for image in ctx.data["images"])]

    def steps(self, ctx: Context) -> list[Step]:
        return [steps.ToTrash(image) for image in ctx.data["images"]]

    def finish(self, ctx: Context) -> None:
        CatalogMaster.delete().where(CatalogMaster.entry == ctx.args["entry"]).execute()
        CatalogStack.delete().where(CatalogStack.id == ctx.args["entry"]).execute()

    def release(self, ctx: Context) -> None:
        CatalogStack.update(state="ready").where(CatalogStack.id == ctx.args["entry"]).execute()


def _user(image: Image) -> tuple[str, bool]:
    """What an image is part of, as people know it (its stack, its server, or only itself), and whether that is in the
    trash."""
    disk = Disk.get_or_none(Disk.image == image)
    thing = image if disk is None else disk.server.stack or disk.server
    return f"{type(thing).__name__.lower()} {thing.name}", thing.state == "trashed"


KINDS: tuple[type[Operation], ...] = (BuildStack, DeleteEntry)


def check_folder(folder: str) -> None:
    """Raise BadInput for what is no folder with a recipe."""
    if not Path(folder).is_absolute() or not Path(folder, "recipe.toml").is_file():
        raise BadInput(f"cannot build {folder}: there is no recipe.toml in it", hint="name the recipe's folder")
