"""Writing the engine's own files into a pool, and taking them back: what makes the same engine on another disk."""

import calendar
import io
import json
import re
import tarfile
import time
from pathlib import Path

from origo import config, home, model
from origo.contracts import Place, PoolSpec, Storage, Takeover
from origo.errors import BadInput, Conflict, NotFound, OrigoError
from origo.model import EngineRow, Migration, OperationRow, Pool, Server, migrations
from origo.operations.base import Context, Lock, Operation, Step
from origo.operations.core import Core
from origo.secrets import recovery
from origo.services import pools
from origo.services.pools import notes
from origo.services.pools.operations import described, where
from origo.services.servers.operations import RUNS

AREA = "engine"
PATTERN = re.compile(r"[0-9]{8,}-[0-9]{8}-[0-9]{6}-[0-9a-f]{8}\.backup")
"""A backup's name: its number, which orders them whatever the clock said, and when it was begun, in universal time."""
KEPT = 14
"""How many backups of the engine stay in a pool."""
MOST_BYTES = 1 << 30
DATABASE = "origo.db"
TIME = "%Y%m%d-%H%M%S"


def names(driver: Storage, pool: PoolSpec) -> list[str]:
    """The engine's backups in an open pool, the newest first."""
    return sorted(filter(_is_backup, driver.list(pool, AREA)), key=order, reverse=True)


def newest(driver: Storage, pool: PoolSpec) -> str:
    """The newest of them; empty where there is none."""
    return next(iter(names(driver, pool)), "")


def order(name: str) -> tuple[int, str]:
    """What orders names of backups."""
    return number(name), name


def number(name: str) -> int:
    """The number in that name: a later backup of the same engine has a higher one, in whatever pool."""
    return int(name.split("-")[0])


def written(name: str) -> float:
    """When the backup of that name was begun, in seconds since 1970."""
    return float(calendar.timegm(time.strptime("-".join(name.split("-")[1:3]), TIME)))


def _is_backup(name: str) -> bool:
    """Whether that is the name of one; one with a time that no clock shows is not."""
    if not PATTERN.fullmatch(name):
        return False
    try:
        written(name)
    except ValueError:
        return False
    return True


def pack(core: Core) -> bytes:
    """Database, keys and settings in one archive."""
    folder = core.config.home
    files = {DATABASE: model.dump()}
    for path in (folder / config.FILE, *sorted((folder / "keys").rglob("*"))):
        if path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpack(packed: bytes) -> dict[str, bytes]:
    """The files of an archive, by their paths in a home. Raises BadInput for what is none of ours."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is None or not _belongs(entry.name):
                raise BadInput(f"cannot use the backup: {entry.name} is nothing of an engine")
            files[entry.name] = content.read()
    if DATABASE not in files:
        raise BadInput("cannot use the backup: it has no database")
    return files


def _belongs(name: str) -> bool:
    parts = Path(name).parts
    return ".." not in parts and (name in (DATABASE, config.FILE) or (parts[0] == "keys" and len(parts) > 1))


class WriteBackup(Step):
    """The copy is written, readable with the recovery key alone."""

    name = "write the backup"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        return [f"file {_path(ctx, ctx.data['name'])}"]

    def do(self, ctx: Context) -> None:
        notes.check_owner(ctx.core.local, *where(ctx))
        sealed = recovery.encrypt(ctx.data["recovery"], pack(ctx.core))
        ctx.core.local.write(_path(ctx, ctx.data["name"]), sealed, mode=0o600)

    def undo(self, ctx: Context) -> None:
        ctx.core.local.remove(_path(ctx, ctx.data["name"]))


class ForgetOld(Step):
    """Of the older ones only some stay."""

    name = "remove the oldest backups"

    def plan(self, ctx: Context) -> list[str]:
        return [f"file {_path(ctx, name)}" for name in self._old(ctx)]

    def do(self, ctx: Context) -> None:
        for name in self._old(ctx):
            ctx.core.local.remove(_path(ctx, name))

    def undo(self, ctx: Context) -> None:
        """Never asked for: the step before is the commit point."""

    def _old(self, ctx: Context) -> list[str]:
        driver, pool = where(ctx)
        return names(driver, pool)[KEPT:]


class BackUpEngine(Operation):
    """A copy of the engine's database, keys and settings in a pool."""

    kind = "engine.backup"
    targets = "engine"

    def look(self, ctx: Context) -> None:
        pool = pools.find(ctx.args["pool"])
        there = newest(pools.driver(ctx.core, pool), pools.spec(pool)) if pool.state == "ready" else ""
        ctx.data["highest"] = number(there) if there else 0

    def prepare(self, ctx: Context) -> None:
        pool, public = pools.find(ctx.args["pool"]), EngineRow.get().recovery
        if not public:
            raise Conflict(
                "cannot back the engine up: there is no recovery key yet", hint="`origo engine recovery-key` makes one"
            )
        pools.check_ready(pool, "back the engine up")
        begun = time.strftime(TIME, time.gmtime(ctx.args["begun"]))
        ctx.data |= {"pool": described(pool), "recovery": public}
        ctx.data["name"] = f"{self._next(ctx):08}-{begun}-{model.new_id()[:8]}.backup"

    def _next(self, ctx: Context) -> int:
        """A number above all that were chosen, and all in the pool: a database that went back knows less than that."""
        rows = OperationRow.select().where(OperationRow.kind == self.kind).order_by(OperationRow.id.desc())
        there, last = int(ctx.data.pop("highest")), rows.first()
        return max(there, number(last.data["name"]) if last else 0) + 1

    def target(self, ctx: Context) -> str:
        return str(EngineRow.get().id)

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock(f"engine-backup/{ctx.data['pool']['id']}")]

    def steps(self, ctx: Context) -> list[Step]:
        return [WriteBackup(), ForgetOld()]


class OpenPool(Step):
    """A pool of the lost engine is opened where it is."""

    name = "open the pool"

    def plan(self, ctx: Context) -> list[str]:
        return [f"pool {ctx.data['pool']['id']} at {ctx.data['pool']['path']}"]

    def do(self, ctx: Context) -> None:
        _open(ctx, *where(ctx))

    def undo(self, ctx: Context) -> None:
        """It stays open: nothing in it was changed."""


class StageBackup(Step):
    """The copy is read and laid out in the home, where the next start finds it."""

    name = "lay out the backup"

    def plan(self, ctx: Context) -> list[str]:
        others = ["the other pools that it had, where they are: the newest backup of all is taken"]
        return [
            *(others if ctx.args["lost"] else []),
            f"folder {ctx.core.config.path(home.STAGED)}",
            "the engine starts anew; servers run on",
        ]

    def do(self, ctx: Context) -> None:
        driver, pool = where(ctx)
        there = [ctx.args["name"]] if ctx.args["name"] else names(driver, pool)
        name, files = _first_read(ctx, driver, pool, there if ctx.args["lost"] else there[:1])
        if ctx.args["lost"]:
            name, files = _newest_of_all(ctx, name, files)
        _check_version(name, files)
        _check_running(name, files)
        home.stage(ctx.core.config.home, files)
        ctx.log(f"the backup {name} takes the place of what is here")

    def undo(self, ctx: Context) -> None:
        home.unstage(ctx.core.config.home)


class RestoreEngine(Operation):
    """The engine is what a backup says: one in a pool of its own (`pool`), or the newest of a lost engine (`lost`)."""

    kind = "engine.restore"
    targets = "engine"

    def prepare(self, ctx: Context) -> None:
        recovery.check(ctx.core.secrets.unseal(ctx.args["key"]))
        if ctx.args["lost"] is None:
            ctx.data["pool"] = described(pools.find(ctx.args["pool"]))
            return
        if Pool.select().exists():
            raise Conflict(
                "cannot recover another engine here: this one has pools already",
                hint="`origo engine recover` is for an engine that nobody has set up yet",
            )
        lost = ctx.args["lost"]
        path = lost["path"] or ctx.core.config.path("pools", str(lost["id"]))
        ctx.data["pool"] = {**lost, "path": path, "name": str(lost["id"])}

    def target(self, ctx: Context) -> str:
        return str(EngineRow.get().id)

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock("engine")]

    def steps(self, ctx: Context) -> list[Step]:
        return [*([OpenPool()] if ctx.args["lost"] else []), StageBackup()]


def _first_read(ctx: Context, driver: Storage, pool: PoolSpec, there: list[str]) -> tuple[str, dict[str, bytes]]:
    """The first of those backups that can be read, and its files; if none can, raises what was wrong with the first."""
    problems: list[OrigoError] = []
    for name in there:
        try:
            return name, _read(ctx, driver, pool, name)
        except OrigoError as error:
            ctx.log(f"{name}: {error.message}")
            problems.append(error)
    raise next(iter(problems), NotFound(f"cannot find a backup of an engine in pool {pool.name}"))


def _check_version(name: str, files: dict[str, bytes]) -> None:
    """Raises Conflict for the backup of a newer version, with which this one would not start."""
    newer = migrations.newer(made for (made,) in model.dumped(files[DATABASE], Migration, "name"))
    if newer:
        raise Conflict(
            f"cannot use the backup {name}: a newer version of Origo wrote it, which made {newer[-1]}",
            hint="install that version, or a later one, and try again",
        )


def _check_running(name: str, files: dict[str, bytes]) -> None:
    """Raises Conflict for a backup that does not know a server that runs: nobody would look after it any more."""
    known = {id for id, state in model.dumped(files[DATABASE], Server, "id", "state") if state != "trashed"}
    running = Server.select(Server.id, Server.name).where(Server.power.in_(RUNS)).order_by(Server.name)
    later = [server.name for server in running if server.id not in known]
    if later:
        raise Conflict(
            f"cannot use the backup {name}: it knows nothing of what runs: {', '.join(later)}",
            hint="first `origo servers shutdown NAME`, or `poweroff`, for each; their disks stay, as images",
        )


def _newest_of_all(ctx: Context, name: str, files: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """That backup, or a newer one of another pool that the lost engine had.

    Each pool is opened or taken; one that is not there, or in use, is told by the engine later.
    """
    seen = {ctx.args["lost"]["id"]}
    columns = ("id", "name", "path", "driver", "options")
    while others := [row for row in model.dumped(files[DATABASE], Pool, *columns) if row[0] not in seen]:
        id, called, path, kind, text = others[0]
        seen.add(id)
        pool = PoolSpec(id, called, path, json.loads(text))
        try:
            driver = ctx.core.drivers.storage(kind, ctx.core.local, pool.options)
            _open(ctx, driver, pool)
            newer = [there for there in names(driver, pool) if number(there) > number(name)]
            if newer:
                name, files = _first_read(ctx, driver, pool, newer)
        except OrigoError as error:
            ctx.log(error.message)
    return name, files


def _open(ctx: Context, driver: Storage, pool: PoolSpec) -> None:
    if ctx.args["lost"]["take"] and isinstance(driver, Takeover):
        driver.take(pool)
    else:
        driver.open(pool)


def _read(ctx: Context, driver: Storage, pool: PoolSpec, name: str) -> dict[str, bytes]:
    sealed = ctx.core.local.read(driver.place(pool, Place(AREA, name)), limit=MOST_BYTES)
    return unpack(recovery.decrypt(ctx.core.secrets.unseal(ctx.args["key"]), sealed))


def _path(ctx: Context, name: str) -> str:
    driver, pool = where(ctx)
    return driver.place(pool, Place(AREA, name))
