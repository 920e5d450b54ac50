"""Backups of the engine itself: verbs, the one that is due each night, and a word where there is none."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import peewee

from origo.contracts import PoolSpec, Storage
from origo.errors import NotFound, OrigoError, Unavailable
from origo.model import EngineRow, OperationRow, Pool
from origo.operations.core import Core
from origo.secrets import recovery
from origo.services import access, engine, issues, pools
from origo.services.access import SYSTEM, Actor
from origo.services.engine import copying
from origo.services.engine.copying import BackUpEngine, RestoreEngine

NO_KEY = "engine/recovery-key"
"""The key of the issue that nothing would bring this engine back."""
KEY_REMEDY = "run `origo engine recovery-key` as root, and keep the key"
UNWRITTEN = "engine/backup/"
"""How the keys of the issues begin that there is no backup in a pool; its number follows."""
HOUR = 3600.0
DAY = 24 * HOUR
LATE = 2 * DAY
"""So old the newest backup in a pool may be."""


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
    found: list[dict[str, Any]] = []
    for pool in _ready():
        with contextlib.suppress(NotFound, Unavailable):
            there = [name for name in copying.names(*_place(core, pool)) if query.q in name]
            found += [{"name": name, "pool": pool.name, "created": copying.written(name)} for name in there]
    return {"items": sorted(found, key=lambda one: copying.order(one["name"]), reverse=True), "next": ""}


def restore(core: Core, actor: Actor, body: Any) -> Any:
    """Let the engine be what a backup in one of its pools says."""
    access.require(actor, "engine.manage")
    access.only_here(actor)
    return _restore(core, actor, {"pool": body.pool, "name": body.name, "lost": None}, body.key)


def recover(core: Core, actor: Actor, body: Any) -> Any:
    """Let this new engine be the one whose pool is named, by the newest backup in its pools."""
    access.require(actor, "engine.manage")
    access.only_here(actor)
    return _restore(core, actor, {"pool": 0, "name": "", "lost": body.model_dump(exclude={"key"})}, body.key)


def nightly(core: Core) -> None:
    """Write a backup into each pool whose newest one is older than a day; where there is none of late is an issue."""
    if _lacks_key(core):
        issues.raise_(core.events, NO_KEY, "the engine is not backed up: there is no recovery key", remedy=KEY_REMEDY)
    ready = _ready() if EngineRow.get().recovery else []
    for pool in ready:
        key, why = f"{UNWRITTEN}{pool.id}", _back_up(core, pool)
        if why:
            sentence = f"the engine is not backed up into pool {pool.name}: {why}"
            issues.raise_(core.events, key, sentence, remedy=_remedy(pool), severity="error")
        else:
            issues.end(core.events, key)
    issues.end_others(core.events, UNWRITTEN, [str(pool.id) for pool in ready])


def checks(core: Core) -> Iterator[tuple[str, bool, str, str]]:
    """What `origo doctor` says of them."""
    if _lacks_key(core):
        yield "backups of the engine", False, "there is no recovery key", KEY_REMEDY
    for pool in _ready() if EngineRow.get().recovery else []:
        try:
            newest, last = copying.newest(*_place(core, pool)), _last(pool)
            sentence = f"the newest is {_age(newest)} old" if newest else "there is none yet"
            well = _is_within(LATE, newest) if newest else last is None or last.ended is None
        except OrigoError as error:
            well, sentence = False, error.message
        yield f"backup of the engine in pool {pool.name}", well, sentence, _remedy(pool)


def _back_up(core: Core, pool: Pool) -> str:
    """Ask for a backup if one is due; why the last ones came to nothing, if the newest is old by now."""
    try:
        newest, last = copying.newest(*_place(core, pool)), _last(pool)
        if _is_within(DAY, newest):
            return ""
        if last is None or last.ended is not None:
            core.operations.submit(BackUpEngine(), {"pool": pool.id, "begun": time.time()}, by=SYSTEM.id)
    except OrigoError as error:
        return error.message
    if last is None or last.status == "done" or _is_within(LATE, newest):
        return ""
    return str(last.error["message"]) if last.error else f"operation {last.id} is {last.status}"


def _last(pool: Pool) -> Any:
    """The operation that was asked last to write one into that pool, if there was one."""
    of_pool = peewee.fn.json_extract(OperationRow.data, "$.pool.id").coerce(False) == pool.id
    rows = OperationRow.select().where((OperationRow.kind == BackUpEngine.kind) & of_pool)
    return rows.order_by(OperationRow.id.desc()).first()


def _is_within(seconds: float, name: str) -> bool:
    """Whether that backup was begun so lately; one of the future was not: the clock was wrong then."""
    return bool(name) and 0 <= time.time() - copying.written(name) <= seconds


def _age(name: str) -> str:
    hours = int(abs(time.time() - copying.written(name)) // HOUR)
    days = hours // 24
    if days:
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{hours} hour{'' if hours == 1 else 's'}" if hours else "less than an hour"


def _lacks_key(core: Core) -> bool:
    return not EngineRow.get().recovery and core.config["setup"] and not engine.awaits_setup(core)


def _remedy(pool: Pool) -> str:
    return f"it is tried again every hour, and at once by `origo engine backup --pool {pool.name}`"


def _ready() -> list[Pool]:
    return list(Pool.select().where(Pool.state == "ready").order_by(Pool.id))


def _place(core: Core, pool: Pool) -> tuple[Storage, PoolSpec]:
    return pools.driver(core, pool), pools.spec(pool)


def _restore(core: Core, actor: Actor, args: dict[str, Any], key: str) -> Any:
    sealed = core.secrets.seal(key)
    return core.operations.submit(RestoreEngine(), args | {"key": sealed}, by=actor.id, plan=actor.plan, key=actor.key)
