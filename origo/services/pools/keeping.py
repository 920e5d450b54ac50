"""Looking after the pools: opened at the start and whenever they come back, reported when they need a person."""

import contextlib
import threading
import time

from origo import log, model
from origo.contracts import PoolUsage
from origo.errors import Conflict, NotFound, OrigoError, Unavailable, size
from origo.model import Pool
from origo.operations.core import Core
from origo.services import engine, issues, pools
from origo.services.pools import exporting, notes, recalling

_log = log.get("pools")

LOOK_SECONDS = 300.0
SOON_SECONDS = 10.0
"""How long after something was written into a pool its room is looked at, however much is written meanwhile."""
WRITERS = ("images", "servers", "stacks", "catalog")
"""The nouns whose operations write into pools, or make room."""
LOW_BYTES = 10 << 30
LOW_PART = 10
"""Room is low below a tenth of a pool, or `LOW_BYTES` if that is less."""


class Keeper:
    """Looks at all pools every few minutes, and soon after something was written into one."""

    def __init__(self, core: Core, *, every: float = LOOK_SECONDS, soon: float = SOON_SECONDS) -> None:
        self.core = core
        self._every = every
        self._soon = soon
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pools", daemon=True)

    def start(self) -> None:
        """Look after them from now on; they were just opened."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        seen, looked = self.core.events.newest(), time.monotonic()
        while not self._stopping.wait(self._soon):
            newest = self.core.events.newest()
            if self._wrote(seen) or time.monotonic() - looked >= self._every:
                looked = time.monotonic()
                try:
                    ensure(self.core)
                except Exception:
                    _log.exception("cannot look after the pools")
            seen = newest
        model.database.close()

    def _wrote(self, seen: int) -> bool:
        events = self.core.events.since(seen, limit=1000)
        return any(event.kind == "operation.done" and event.data["noun"] in WRITERS for event in events)


def ensure(core: Core, *, open_all: bool = False) -> None:
    """Make pool 0 if it is not there, open those that were missing (or all, as after a reboot), look at their room.

    What fails is an issue until it is well again, and stops nobody.
    """
    try:
        make_first(core)
    except OrigoError as error:
        _report(core, 0, pools.FIRST, error)
    except Exception:
        _report(core, 0, pools.FIRST, _unexpected(f"make pool {pools.FIRST}"))
    for pool in Pool.select().where(Pool.state != "creating").order_by(Pool.id):
        try:
            _look(core, pool, reopen=open_all)
        except Exception:
            unknown = _unexpected(f"look after pool {pool.name}")
            _note(core, pool, "look", unknown.message, unknown.hint)
        else:
            _note(core, pool, "look", "", "")


def make_first(core: Core) -> None:
    """Make pool 0, which everything goes into that names no other, if it is not there, nor left to the set-up."""
    if Pool.get_or_none(Pool.id == 0) is not None or engine.awaits_setup(core):
        return
    # Whoever was faster than this, or made another pool while this one could not be made, may have taken the name.
    taken = Pool.select().where(Pool.name == pools.FIRST).exists()
    name, path = f"{pools.FIRST}-0" if taken else pools.FIRST, core.config.path("pools", "0")
    driver, options = core.config["storage"], core.config.storage_options
    pool = Pool(id=0, name=name, driver=driver, path=path, options=options, state="ready", created=time.time())
    pools.driver(core, pool).create(pools.spec(pool))
    notes.check_owner(core.local, pools.driver(core, pool), pools.spec(pool))
    pool.save(force_insert=True)


def _look(core: Core, pool: Pool, *, reopen: bool) -> None:
    try:
        usage = _usage(core, pool, reopen=reopen)
        notes.check_owner(core.local, pools.driver(core, pool), pools.spec(pool))
    except OrigoError as error:
        if _change(pool, "missing"):
            core.events.emit("pool.missing", "pools", str(pool.id), sentence=error.message)
        _report(core, pool.id, pool.name, error)
        return
    if _change(pool, "ready"):
        core.events.emit("pool.ready", "pools", str(pool.id))
        _export(core, pool)
    issues.end(core.events, f"pool/{pool.id}")
    _note(core, pool, "health", usage.sentence, f"origo pools show {pool.name}")
    low = usage.free_bytes < min(usage.total_bytes // LOW_PART, LOW_BYTES)
    room = f"{size(usage.free_bytes)} of {size(usage.total_bytes)} are free"
    sentence = f"pool {pool.name} is low on room: {room}" if low else ""
    _note(core, pool, "room", sentence, "purge what is in the trash, or give the pool more room")
    try:
        recalling.recall(core, pool)
        notes.write(core, pool)
    except Conflict as error:
        _note(core, pool, "notes", error.message, error.hint)
    except OrigoError as error:
        _log.warning("cannot note in a pool what it holds", pool=pool.name, error=error.message)
    else:
        _note(core, pool, "notes", "", "")


def _export(core: Core, pool: Pool) -> None:
    """Let those machines mount a pool that is there again who could before."""
    try:
        exporting.renew(core, pool)
    except OrigoError as error:
        _note(core, pool, "export", error.message, error.hint)
    else:
        _note(core, pool, "export", "", "")


def _unexpected(what: str) -> OrigoError:
    return log.unexpected(_log, f"cannot {what} because of an error in the engine")


def _usage(core: Core, pool: Pool, *, reopen: bool) -> PoolUsage:
    """Its room and health, once it is open; opening costs more than looking."""
    driver, spec = pools.driver(core, pool), pools.spec(pool)
    if pool.state == "ready" and not reopen:
        with contextlib.suppress(NotFound, Unavailable):
            usage = driver.usage(spec)
            if usage.health != "failed":
                return usage
    driver.open(spec)
    return driver.usage(spec)


def _change(pool: Pool, state: str) -> bool:
    """Whether the row's state is another now."""
    return bool(Pool.update(state=state).where((Pool.id == pool.id) & (Pool.state != state)).execute())


def _report(core: Core, id: int, name: str, error: OrigoError) -> None:
    said = error.message if name in error.message else f"cannot open pool {name}: {error.message}"
    about = {"noun": "pools", "target": str(id), "severity": "error"}
    issues.raise_(core.events, f"pool/{id}", said, remedy=error.hint, **about)


def _note(core: Core, pool: Pool, what: str, sentence: str, remedy: str) -> None:
    """Let there be an issue with that sentence, or none if it is empty."""
    key = f"pool/{pool.id}/{what}"
    if sentence:
        issues.raise_(core.events, key, sentence, remedy=remedy, noun="pools", target=str(pool.id))
    else:
        issues.end(core.events, key)
