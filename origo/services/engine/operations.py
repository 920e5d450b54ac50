"""Setting an engine up: settings, pool 0 and the first administrator, all or none of it."""

import os
import time
from typing import Any

from origo import config
from origo.contracts import PoolSpec
from origo.errors import BadInput, Conflict
from origo.model import EngineRow, Pool, User, new_id
from origo.operations.base import Context, Lock, Operation, Step
from origo.services import front, issues, pools
from origo.services.engine import addresses, zone
from origo.services.images import folders
from origo.services.pools import operations as pool_operations

AWAITED = "engine/setup"
"""The key of the issue that the engine is not set up."""
SETTINGS = ("name", "domain", "outer_interface")


def _settings(ctx: Context) -> dict[str, str]:
    """What was chosen; an interface that was not is found anew at each boot."""
    return {name: ctx.args[name] for name in SETTINGS if ctx.args[name]}


class WriteSettings(Step):
    """The settings file says what was chosen, and the engine goes by it from now on."""

    name = "write the settings"

    def plan(self, ctx: Context) -> list[str]:
        path = ctx.core.config.path(config.FILE)
        return [f"{path}: {name} = {value}" for name, value in _settings(ctx).items()]

    def do(self, ctx: Context) -> None:
        text = config.rewritten(ctx.data["text"] or "", _settings(ctx))
        ctx.core.local.write(ctx.core.config.path(config.FILE), text.encode())
        ctx.core.config = ctx.core.config.changed(_settings(ctx))

    def undo(self, ctx: Context) -> None:
        path = ctx.core.config.path(config.FILE)
        if ctx.data["text"] is None:
            ctx.core.local.remove(path)
        else:
            ctx.core.local.write(path, ctx.data["text"].encode())
        ctx.core.config = ctx.core.config.changed(ctx.data["values"])


class ShowName(Step):
    """The front shows a certificate of the engine's new name, so that what the answer says can be opened at once."""

    name = "show the engine by its name"

    def plan(self, ctx: Context) -> list[str]:
        return [f"certificate of origo.{ctx.args['domain']}; nginx reads its configuration again, connections stay"]

    def do(self, ctx: Context) -> None:
        front.show_certificate(ctx.core)

    def undo(self, ctx: Context) -> None:
        """Nothing: nginx follows the settings by itself."""


class ChooseZone(Step):
    """The machine's clock shows the time of where it stands."""

    name = "choose the time zone"

    def plan(self, ctx: Context) -> list[str]:
        return [f"{zone.LINK}: {ctx.args['time_zone']}"]

    def do(self, ctx: Context) -> None:
        zone.choose(ctx.core, ctx.args["time_zone"])

    def undo(self, ctx: Context) -> None:
        zone.choose(ctx.core, ctx.data["zone"])


class MakeFolder(Step):
    """The administrator has a folder to import images from."""

    name = "make the folder of the administrator"

    def plan(self, ctx: Context) -> list[str]:
        return [f"folder {folders.path(ctx.core, ctx.data['user'])}"]

    def do(self, ctx: Context) -> None:
        folders.make(ctx.core, ctx.data["user"])

    def undo(self, ctx: Context) -> None:
        ctx.core.local.remove(folders.path(ctx.core, ctx.data["user"]))


def check_new() -> None:
    """Raise Conflict unless this engine waits to be set up."""
    if EngineRow.get().set_up is not None or Pool.get_or_none(Pool.id == 0) is not None:
        raise Conflict(
            "cannot set this engine up: it has been before, or is being now",
            hint="settings are in the file origo.toml; `origo pools create` makes more pools",
        )


class SetUp(Operation):
    """A new engine has a name, a domain, pool 0 and, if one was named, an administrator."""

    kind = "engine.setup"
    targets = "engine"

    def look(self, ctx: Context) -> None:
        check_new()
        zone.check(ctx.args["time_zone"])
        chosen, found = ctx.args["outer_interface"], addresses.interfaces(ctx.core)
        if chosen and chosen not in found:
            raise BadInput(
                f"cannot use the interface {chosen}: this machine has none of that name with an address",
                hint=f"it has {', '.join(sorted(found)) or 'none'}",
            )
        pool_operations.check(ctx.core, self._pool(ctx), ctx.args["storage"]["driver"])

    def prepare(self, ctx: Context) -> None:
        check_new()
        fixed = [name for name in SETTINGS if f"ORIGO_{name.upper()}" in os.environ]
        if fixed:
            raise BadInput(
                f"cannot choose the {fixed[0]}: the environment variable ORIGO_{fixed[0].upper()} has it",
                hint="take it out of the environment of the service, and start that again",
            )
        pool_operations.reserve(ctx, self._pool(ctx), ctx.args["storage"]["driver"])
        if ctx.args["administrator"]:
            ctx.data["user"] = self._reserve_user(ctx.args["administrator"]["name"])

    def _pool(self, ctx: Context) -> PoolSpec:
        return PoolSpec(0, pools.FIRST, ctx.core.config.path("pools", "0"), ctx.args["storage"]["options"])

    def _reserve_user(self, name: str) -> str:
        if User.select().where(User.name == name).exists():
            raise Conflict(
                f"cannot create user {name}: there is one of that name",
                hint="leave the administrator out if there is one already",
            )
        return str(User.create(id=new_id(), name=name, role="admin", enabled=False).id)

    def earlier(self, ctx: Context) -> dict[str, Any]:
        core, path = ctx.core, ctx.core.config.path(config.FILE)
        text = core.local.read(path).decode() if core.local.exists(path) else None
        values = {name: core.config[name] for name in SETTINGS}
        return {"text": text, "values": values, "zone": zone.current()}

    def target(self, ctx: Context) -> str:
        return str(EngineRow.get().id)

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock("engine"), Lock("pool/0")]

    def steps(self, ctx: Context) -> list[Step]:
        folder = [MakeFolder()] if "user" in ctx.data else []
        place = [ChooseZone()] if ctx.args["time_zone"] else []
        return [pool_operations.MakePool(), *folder, *place, WriteSettings(), ShowName()]

    def finish(self, ctx: Context) -> None:
        args, core = ctx.args, ctx.core
        Pool.update(state="ready").where(Pool.id == 0).execute()
        EngineRow.update(set_up=time.time(), name=args["name"], domain=args["domain"]).execute()
        if "user" in ctx.data:
            password = core.secrets.unseal(args["administrator"]["password"])
            User.update(password=password, enabled=True).where(User.id == ctx.data["user"]).execute()
            about = {"owner": ctx.data["user"], "name": args["administrator"]["name"]}
            core.events.emit("user.created", "users", ctx.data["user"], **about)
        issues.end(core.events, AWAITED)

    def release(self, ctx: Context) -> None:
        Pool.delete().where(Pool.id == 0).execute()
        if "user" in ctx.data:
            User.delete().where(User.id == ctx.data["user"]).execute()
