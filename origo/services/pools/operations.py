"""Making a pool."""

import time

from origo.contracts import PoolSpec, Storage
from origo.errors import BadInput, Conflict
from origo.model import Pool
from origo.operations.base import Context, Lock, Operation, Step


def _driver(ctx: Context) -> Storage:
    return ctx.core.drivers.storage(ctx.args["driver"], ctx.core.local, ctx.args["options"])


def _spec(ctx: Context) -> PoolSpec:
    data = ctx.data
    return PoolSpec(id=data["id"], name=ctx.args["name"], path=data["path"], options=ctx.args["options"])


class MakePool(Step):
    """The driver makes the pool and its areas."""

    name = "make the pool"

    def plan(self, ctx: Context) -> list[str]:
        return _driver(ctx).render(_spec(ctx)).splitlines()

    def do(self, ctx: Context) -> None:
        _driver(ctx).create(_spec(ctx))

    def undo(self, ctx: Context) -> None:
        _driver(ctx).destroy(_spec(ctx))


class CreatePool(Operation):
    """A new pool, ready for images."""

    kind = "pools.create"
    targets = "pools"

    def look(self, ctx: Context) -> None:
        lacks = [lack for lack in _driver(ctx).check() if lack.fatal]
        if lacks:
            raise BadInput(f"cannot create pool {ctx.args['name']}: {lacks[0].sentence}", hint=lacks[0].remedy)

    def prepare(self, ctx: Context) -> None:
        args = ctx.args
        if Pool.select().where(Pool.name == args["name"]).exists():
            raise Conflict(f"cannot create pool {args['name']}: there is a pool of that name")
        number = (Pool.select(Pool.id).order_by(Pool.id.desc()).scalar() or 0) + 1
        ctx.data["id"] = number
        ctx.data["path"] = args["path"] or ctx.core.config.path("pools", str(number))
        if Pool.select().where(Pool.path == ctx.data["path"]).exists():
            raise Conflict(f"cannot create pool {args['name']}: another pool has the path {ctx.data['path']}")
        Pool.create(
            id=number,
            name=args["name"],
            driver=args["driver"],
            path=ctx.data["path"],
            options=args["options"],
            created=time.time(),
        )

    def target(self, ctx: Context) -> str:
        return str(ctx.data["id"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"pool/{ctx.data['id']}")]

    def steps(self, ctx: Context) -> list[Step]:
        return [MakePool()]

    def finish(self, ctx: Context) -> None:
        Pool.update(state="ready").where(Pool.id == ctx.data["id"]).execute()

    def release(self, ctx: Context) -> None:
        Pool.delete().where(Pool.id == ctx.data["id"]).execute()
