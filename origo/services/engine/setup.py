"""The verb that sets a new engine up."""

from typing import Any

from origo.operations.core import Core
from origo.services import access
from origo.services.access import Actor
from origo.services.engine.operations import SetUp
from origo.services.users import passwords


def set_up(core: Core, actor: Actor, body: Any) -> Any:
    """Say what a new engine is to be: its name and domain, what pool 0 is made of, its first administrator."""
    access.require(actor, "engine.manage")
    args = body.model_dump()
    if body.administrator:
        hashed = passwords.hashed(core, body.administrator.name, body.administrator.password)
        args["administrator"]["password"] = core.secrets.seal(hashed)
    return core.operations.submit(SetUp(), args, by=actor.id, plan=actor.plan, key=actor.key)
