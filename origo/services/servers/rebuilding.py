"""A fresh system disk for a server whose data disk stays: what an upgrade or a broken system needs."""

from origo.errors import Conflict
from origo.model import Disk, Image, Server
from origo.operations.base import Context, Cost, Lock, Mode, Step
from origo.services.images import operations as image_operations
from origo.services.images import steps as image_steps
from origo.services.servers import steps
from origo.services.servers.operations import ServerOperation


class SwapDisk(steps.ServerStep):
    """The server's system disk is another image, in the row and for the hypervisor."""

    name = "put the new disk in"

    def __init__(self, server: str, *, old: str, new: str) -> None:
        super().__init__(server)
        self.old = old
        self.new = new

    def plan(self, ctx: Context) -> list[str]:
        return [f"replace disk {self.old} of server {self.row().name} by {self.new}"]

    def do(self, ctx: Context) -> None:
        self.use(ctx, self.new)

    def undo(self, ctx: Context) -> None:
        self.use(ctx, self.old)

    def use(self, ctx: Context, image: str) -> None:
        """Let the server have this image."""
        Disk.update(image=image).where((Disk.server == self.server) & (Disk.role == "system")).execute()
        self.define(ctx)


class RebuildServer(ServerOperation):
    """A stopped server gets a new child of its system disk's master; the old disk goes into the trash."""

    kind = "servers.rebuild"
    verb = "rebuild"
    powers = ("stopped", "crashed")

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        server = Server.get_by_id(ctx.args["server"])
        disk = Disk.get_or_none((Disk.server == server) & (Disk.role == "system"))
        if disk is None or disk.image.master is None:
            raise Conflict(f"cannot rebuild server {server.name}: its system disk is not a child of a master")
        old = disk.image
        new = image_operations.reserve(
            old.name, old.owner_id, old.pool_id, old.size_bytes, kind="child", master=old.master
        )
        ctx.data.update(old=old.id, new=new.id, master=old.master_id)

    def check(self, ctx: Context) -> None:
        super().check(ctx)
        if "old" not in ctx.data:
            return
        disk = Disk.get((Disk.server == ctx.args["server"]) & (Disk.role == "system"))
        if disk.image_id != ctx.data["old"]:
            raise Conflict(f"cannot rebuild server {disk.server.name}: it was rebuilt meanwhile")

    def locks(self, ctx: Context) -> list[Lock]:
        images = [Lock(f"image/{ctx.data['old']}"), Lock(f"image/{ctx.data['new']}")]
        return [*super().locks(ctx), *images, Lock(f"image/{ctx.data['master']}", Mode.SHARED)]

    def steps(self, ctx: Context) -> list[Step]:
        swap = SwapDisk(ctx.args["server"], old=ctx.data["old"], new=ctx.data["new"])
        return [image_steps.CloneDisk(ctx.data["new"]), swap, image_steps.ToTrash(ctx.data["old"])]

    def cost(self, ctx: Context) -> Cost:
        return Cost(downtime="the server stays off meanwhile")

    def finish(self, ctx: Context) -> None:
        Image.update(state="ready").where(Image.id == ctx.data["new"]).execute()

    def release(self, ctx: Context) -> None:
        Image.delete().where(Image.id == ctx.data["new"]).execute()
