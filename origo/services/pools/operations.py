"""Making a pool."""

import time
from typing import Any

from origo.contracts import PoolSpec, Storage
from origo.errors import BadInput, Conflict, OrigoError
from origo.model import Pool
from origo.operations.base import Context, Lock, Operation, Step
from origo.operations.core import Core
from origo.services.pools import notes


def check(core: Core, pool: PoolSpec, driver: str) -> None:
    """Raise BadInput when there is no such driver, or its host lacks something that it needs, and what the driver says
    of what lies there. Commands are run for that: never inside a transaction."""
    if driver not in core.drivers.names("storage"):
        known = ", ".join(core.drivers.names("storage"))
        raise BadInput(f"cannot create pool {pool.name}: there is no storage driver {driver}", hint=f"drivers: {known}")
    storage = core.drivers.storage(driver, core.local, pool.options)
    lacks = [lack for lack in storage.check() if lack.fatal]
    if lacks:
        raise BadInput(f"cannot create pool {pool.name}: {lacks[0].sentence}", hint=lacks[0].remedy)
    storage.examine(pool)
    notes.check_owner(core.local, storage, pool)


def reserve(ctx: Context, pool: PoolSpec, driver: str) -> None:
    """The row of a pool that `MakePool` is to make, and what that needs to know."""
    options = {"options": pool.options, "driver": driver}
    row = Pool.create(id=pool.id, name=pool.name, path=pool.path, created=time.time(), **options)
    ctx.data["pool"] = described(row)


def described(pool: Pool) -> dict[str, Any]:
    """What the steps of an operation need to know of a pool, for its `data["pool"]`."""
    return {"id": pool.id, "name": pool.name, "path": pool.path, "driver": pool.driver, "options": pool.options}


def where(ctx: Context) -> tuple[Storage, PoolSpec]:
    """The pool in an operation's `data["pool"]`, and its driver."""
    pool = ctx.data["pool"]
    driver = ctx.core.drivers.storage(pool["driver"], ctx.core.local, pool["options"])
    return driver, PoolSpec(id=pool["id"], name=pool["name"], path=pool["path"], options=pool["options"])


class MakePool(Step):
    """The driver makes the pool that was reserved, with its areas; one that is another engine's is left to it."""

    name = "make the pool"

    def plan(self, ctx: Context) -> list[str]:
        driver, pool = where(ctx)
        return driver.render(pool).splitlines()

    def do(self, ctx: Context) -> None:
        driver, pool = where(ctx)
        driver.create(pool)
        notes.check_owner(ctx.core.local, driver, pool)

    def undo(self, ctx: Context) -> None:
        driver, pool = where(ctx)
        try:
            notes.check_owner(ctx.core.local, driver, pool)
        except Conflict:
            return
        driver.destroy(pool)


class CreatePool(Operation):
    """A new pool, ready for images."""

    kind = "pools.create"
    targets = "pools"

    def look(self, ctx: Context) -> None:
        chosen = self._chosen(ctx)
        try:
            check(ctx.core, chosen, ctx.args["driver"])
        except OrigoError:
            if self._chosen(ctx) == chosen:
                raise
            self.look(ctx)  # meanwhile another pool was given that number

    def prepare(self, ctx: Context) -> None:
        reserve(ctx, self._chosen(ctx), ctx.args["driver"])

    def _chosen(self, ctx: Context) -> PoolSpec:
        """What was asked for, with the next number."""
        name, path = ctx.args["name"], ctx.args["path"]
        if Pool.select().where(Pool.name == name).exists():
            raise Conflict(f"cannot create pool {name}: there is a pool of that name")
        number = (Pool.select(Pool.id).order_by(Pool.id.desc()).scalar() or 0) + 1
        path = path or ctx.core.config.path("pools", str(number))
        if Pool.select().where(Pool.path == path).exists():
            raise Conflict(f"cannot create pool {name}: another pool has the path {path}")
        return PoolSpec(number, name, path, ctx.args["options"])

    def target(self, ctx: Context) -> str:
        return str(ctx.data["pool"]["id"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"pool/{ctx.data['pool']['id']}")]

    def steps(self, ctx: Context) -> list[Step]:
        return [MakePool()]

    def finish(self, ctx: Context) -> None:
        Pool.update(state="ready").where(Pool.id == ctx.data["pool"]["id"]).execute()

    def release(self, ctx: Context) -> None:
        Pool.delete().where(Pool.id == ctx.data["pool"]["id"]).execute()
