"""Backups of the engine itself: verbs, and the one that is due each night."""

import time
from typing import Any

from origo.model import EngineRow, Pool
from origo.operations.core import Core
from origo.secrets import recovery
from origo.services import access, engine, issues, pools
from origo.services.access import SYSTEM, Actor
from origo.services.engine import copying
from origo.services.engine.copying import BackUpEngine, RestoreEngine

NO_KEY = "engine/recovery-key"
"""The key of the issue that nothing would bring this engine back."""
DAY = 24 * 3600.0


def new_key(core: Core, actor: Actor) -> dict[str, Any]:
    """Make the key that opens the backups from now on; it is shown only now, and kept nowhere."""
    access.require(actor, "engine.manage")
    access.only_here(actor)
    key, public = recovery.new_pair()
    EngineRow.update(recovery=public).execute()
    issues.end(core.events, NO_KEY)
    return {"key": key}


def create(core: Core, actor: Actor, body: Any) -> Any:
    """Write a backup of the engine into a pool."""
    access.require(actor, "engine.manage")
    args = {"pool": body.pool, "begun": time.time()}
    return core.operations.submit(BackUpEngine(), args, by=actor.id, plan=actor.plan, key=actor.key)


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The backups of the engine in all pools that are there, the newest first."""
    access.require(actor, "engine.manage")
    found = [
        {"name": name, "pool": pool.name, "created": copying.written(name)}
        for pool in Pool.select().where(Pool.state == "ready")
        for name in _names(core, pool)
        if query.q in name
    ]
    return {"items": sorted(found, key=lambda one: str(one["name"]), reverse=True), "next": ""}


def restore(core: Core, actor: Actor, body: Any) -> Any:
    """Let the engine be what a backup in one of its pools says."""
    access.require(actor, "engine.manage")
    access.only_here(actor)
    return _restore(core, actor, {"pool": body.pool, "name": body.name, "lost": None}, body.key)


def recover(core: Core, actor: Actor, body: Any) -> Any:
    """Let this new engine be the one whose pool is named, by the newest backup in it."""
    access.require(actor, "engine.manage")
    access.only_here(actor)
    return _restore(core, actor, {"pool": 0, "name": "", "lost": body.model_dump(exclude={"key"})}, body.key)


def nightly(core: Core) -> None:
    """Write a backup into each pool whose newest one is older than a day, and say when none can be written."""
    if not EngineRow.get().recovery:
        if core.config["setup"] and not engine.awaits_setup(core):
            remedy = "run `origo engine recovery-key` as root, and keep the key"
            issues.raise_(core.events, NO_KEY, "the engine is not backed up: there is no recovery key", remedy=remedy)
        return
    for pool in Pool.select().where(Pool.state == "ready"):
        newest = next(iter(_names(core, pool)), "")
        if not newest or not 0 <= time.time() - copying.written(newest) <= DAY:
            core.operations.submit(BackUpEngine(), {"pool": pool.id, "begun": time.time()}, by=SYSTEM.id)


def _names(core: Core, pool: Pool) -> list[str]:
    return copying.names(pools.driver(core, pool), pools.spec(pool))


def _restore(core: Core, actor: Actor, args: dict[str, Any], key: str) -> Any:
    sealed = core.secrets.seal(key)
    return core.operations.submit(RestoreEngine(), args | {"key": sealed}, by=actor.id, plan=actor.plan, key=actor.key)
