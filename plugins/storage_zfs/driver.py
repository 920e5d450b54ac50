"""Pools on ZFS: one ZFS pool with one dataset each, known by the property origo:pool and found again by its id."""

import shlex
import time
from collections.abc import Callable
from functools import partial

from origo_plugins.storage_zfs import commands, options, parse
from origo_plugins.storage_zfs.commands import Argv
from origo_plugins.storage_zfs.options import Wanted
from origo_plugins.storage_zfs.parse import Written
from origo_plugins.storage_zfs.sources import Sources
from origo_plugins.storage_zfs.zpools import MEND, Found, astray, find, silent

from origo.contracts import Facts, Lack, Place, PoolSpec, PoolUsage, Takeover
from origo.contracts.folders import FolderStorage
from origo.errors import BadInput, CommandFailed, Conflict, NoRoom, NotFound, Unavailable
from origo.host import Result

LONG = 600
BUSY_TRIES = 50
WATCHED_SECONDS = 12
"""How long a ZFS pool must not be written by whoever has not given it back: two of its write intervals."""


class ZfsStorage(FolderStorage, Takeover):
    """Options: `file` (paths) and `size`, or `devices` (paths); `layout` single, mirror, raidz or raidz2; `zpool`, the
    name of the ZFS pool, by default origo-<number>."""

    def check(self) -> list[Lack]:
        """Needs the tools, and a ZFS that answers."""
        try:
            self.host.run(commands.POOLS)
        except CommandFailed as error:
            return [Lack(silent(error), MEND)]
        return []

    def info(self) -> Facts:
        """The version, and which properties this ZFS does not know."""
        left_out = ", ".join(commands.left_out(*self._offered()))
        notes = {"left out": f"this ZFS does not know {left_out}"} if left_out else {}
        version = parse.version(self.host.run(commands.VERSION, check=False).out)
        return Facts("ZFS", version=version, notes=notes)

    def render(self, pool: PoolSpec) -> str:
        """The commands, with the properties that the ZFS of this host knows."""
        return commands.text(commands.create(options.read(pool), *self._offered()))

    def examine(self, pool: PoolSpec) -> None:
        """The path, and unless its ZFS pool is there already, what the files and devices hold."""
        wanted = options.read(pool)
        self._check_path(pool)
        sources = Sources(self.host, wanted)
        found = find(self.host, wanted)
        if found is not None:
            self._check_ours(pool, found, wanted, sources)
        elif not sources.guid():
            self._check_empty(pool)
            sources.usable()
            sources.check()

    def create(self, pool: PoolSpec) -> None:
        """Make files, ZFS pool, dataset and areas; each only where it is not there yet."""
        wanted = options.read(pool)
        self._check_path(pool)
        sources = Sources(self.host, wanted)
        found = find(self.host, wanted)
        if found is None:
            sources.usable()
            found = self._import(pool, wanted, sources)
        if found is None:
            self._check_empty(pool)
            sources.clear()
            sources.check()
            for file in wanted.files:
                self.host.run(commands.make_file(file))
                self.host.run(commands.truncate(wanted, file))
            self._run("make", pool, commands.create_zpool(wanted, *self._offered()))
            found = self._found(pool, wanted)
        self._check_ours(pool, found, wanted, sources)
        if not found.dataset:
            self._check_empty(pool)
            self._run("make", pool, commands.create_dataset(wanted))
        self._mount(pool, wanted)
        sources.close()
        sources.reserve()
        self._make(pool, {"zpool": wanted.zpool})

    def destroy(self, pool: PoolSpec) -> None:
        """Remove the ZFS pool, its signatures on devices, its files, and the folder."""
        try:
            wanted = options.read(pool)
        except BadInput:
            return
        sources = Sources(self.host, wanted)
        found = find(self.host, wanted) or self._import(pool, wanted, sources)
        if found is not None:
            if not self._is_ours(found, wanted, sources):
                return
            if found.dataset:
                self._mount(pool, wanted)
                strangers = self._strangers(pool)
                if strangers:
                    raise Conflict(f"cannot remove pool {pool.name}: {pool.path}/{strangers[0]} is in it")
            self._destroy(pool, wanted)
        sources.clear()
        if self.host.exists(pool.path) and not self.host.list(pool.path):
            self.host.remove(pool.path)

    def open(self, pool: PoolSpec) -> None:
        """Import the ZFS pool and mount its dataset, whatever of it is needed."""
        wanted = options.read(pool)
        sources = Sources(self.host, wanted)
        found = find(self.host, wanted) or self._import(pool, wanted, sources)
        if found is None:
            raise NotFound(
                f"cannot find pool {pool.name}: no device has the ZFS pool {wanted.zpool}",
                hint=f"devices: {' '.join(wanted.sources)}",
            )
        # One that is in use may lie on devices that have other names since; nothing is imported but by its id.
        elsewhere = sources.guid() not in ("", found.guid)
        if found.owner != wanted.owner or elsewhere or not found.dataset:
            raise Unavailable(f"cannot open pool {pool.name}: the ZFS pool {wanted.zpool} is not its own")
        self._mount(pool, wanted)
        sources.close()
        if not found.spare:
            self.host.run(commands.spare(wanted, commands.SPARE), check=False)
        self._make(pool, {"zpool": wanted.zpool})

    def take(self, pool: PoolSpec) -> None:
        """Import it even if another machine has it on record as its own, once nobody has written to it for a while."""
        wanted = options.read(pool)
        sources = Sources(self.host, wanted)
        if find(self.host, wanted) is None:
            self._import(pool, wanted, sources, take=True)
        self.open(pool)

    def usage(self, pool: PoolSpec) -> PoolUsage:
        """Its room as ZFS counts it, and how well its devices are."""
        wanted = options.read(pool)
        found = find(self.host, wanted)
        if found is None:
            raise NotFound(f"cannot find pool {pool.name}: the ZFS pool {wanted.zpool} is not imported")
        if found.owner != wanted.owner:
            raise Unavailable(f"cannot use the ZFS pool {wanted.zpool} for pool {pool.name}: it is not its own")
        if not found.spare:
            self.host.run(commands.spare(wanted, commands.SPARE), check=False)
        status = self.host.run(commands.status(wanted), check=False)
        telling = status.code == 0 and status.out.startswith(b"{")
        health, sentence = (
            parse.status(status.out, wanted.zpool) if telling else parse.health(wanted.zpool, found.health)
        )
        total = found.used_bytes + found.free_bytes
        if not found.mounted or found.mountpoint != pool.path:
            return PoolUsage(total, 0, "failed", f"pool {pool.name} is not mounted at {pool.path}")
        name, odd = astray(self.host, wanted) if health == "ok" else ("", "")
        if name:
            health = "degraded"
            sentence = f"pool {pool.name} would not be taken in again: {odd} (`zfs set {_harmless(wanted, name)}`)"
        return PoolUsage(total, found.free_bytes, health, sentence)

    def move(self, pool: PoolSpec, place: Place, target: Place) -> None:
        """One durable rename, in a full ZFS pool too."""
        self._even_if_full(pool, lambda: super(ZfsStorage, self).move(pool, place, target))

    def seal(self, pool: PoolSpec, place: Place) -> None:
        """Owner and mode, in a full ZFS pool too."""
        self._even_if_full(pool, lambda: super(ZfsStorage, self).seal(pool, place))

    def _export_options(self, pool: PoolSpec) -> str:
        """Before the dataset is mounted nothing is exported, least of all the empty folder below it."""
        return f",mountpoint={pool.path}"

    def _even_if_full(self, pool: PoolSpec, act: Callable[[], None]) -> None:
        """Do it, if need be with the room that is kept back: a ZFS pool without any takes no change at all."""
        try:
            act()
        except NoRoom:
            wanted = options.read(pool)
            self._run("make room in", pool, commands.spare(wanted, "none"))
            try:
                act()
            finally:
                # Refused as long as there is no room: then `open` or `usage` keeps it back again.
                self.host.run(commands.spare(wanted, commands.SPARE), check=False)

    def _import(self, pool: PoolSpec, wanted: Wanted, sources: Sources, *, take: bool = False) -> Found | None:
        """Take in the ZFS pool whose id is on our files or devices; None if there is none."""
        guid = sources.guid()
        if not guid:
            return None
        if self._strangers(pool):
            raise Unavailable(f"cannot open pool {pool.name}: {pool.path} holds something else")
        result = self._try_import(wanted, guid)
        if result.code and take and _is_anothers(result.err):
            self._check_idle(pool, sources)
            result = self._try_import(wanted, guid, take=True)
        if result.code and _is_anothers(result.err):
            raise Unavailable(
                f"cannot open pool {pool.name}: {_last_used(sources.written())} and did not give it back",
                hint=f"if that machine is gone for good: `origo engine recover --take`, or zpool import -fN {guid}",
            )
        if result.code:
            raise Unavailable(f"cannot open pool {pool.name}: {result.err.decode(errors='replace').strip()[-300:]}")
        try:
            self._look(pool, wanted)
        except Unavailable:
            self.host.run(commands.export(wanted), check=False, timeout=LONG)
            raise
        return self._found(pool, wanted)

    def _try_import(self, wanted: Wanted, guid: str, *, take: bool = False) -> Result:
        """Without mounting anything, unless this ZFS is so old that it always does."""
        result = self.host.run(commands.import_zpool(wanted, guid, take=take), check=False, timeout=LONG)
        if b"invalid option 'N'" in result.err:
            argv = commands.import_zpool(wanted, guid, take=take, mounting=True)
            result = self.host.run(argv, check=False, timeout=LONG)
        return result

    def _look(self, pool: PoolSpec, wanted: Wanted) -> None:
        """Refuse a ZFS pool that says more than what its dataset holds: whoever had its devices may have written it."""
        name, sentence = astray(self.host, wanted)
        if name:
            raise Unavailable(
                f"cannot open pool {pool.name}: {sentence}",
                hint=f"`zpool import -N` lets you look at it; if it is yours: `zfs set {_harmless(wanted, name)}`",
            )

    def _check_idle(self, pool: PoolSpec, sources: Sources) -> None:
        """Refuse a ZFS pool that is written while this looks."""
        before = sources.written()
        time.sleep(WATCHED_SECONDS)
        if sources.written() != before:
            raise Conflict(
                f"cannot take pool {pool.name}: it is in use, {_last_used(sources.written())}",
                hint="stop that machine first, and let it export the ZFS pool",
            )

    def _is_ours(self, found: Found, wanted: Wanted, sources: Sources) -> bool:
        """Whether it says so, and lies where it shall: another engine's pool may have the same name and number."""
        return found.owner == wanted.owner and found.guid == sources.guid()

    def _check_ours(self, pool: PoolSpec, found: Found, wanted: Wanted, sources: Sources) -> None:
        if not self._is_ours(found, wanted, sources):
            raise Conflict(
                f"cannot make pool {pool.name}: the ZFS pool {wanted.zpool} is there and not its own",
                hint="choose another name with the option zpool",
            )

    def _mount(self, pool: PoolSpec, wanted: Wanted) -> None:
        """Let the dataset appear at the pool's path, over an empty folder only, and from now on there alone."""
        found = self._found(pool, wanted)
        if not found.mounted:
            self._look(pool, wanted)
        for name in found.unguarded:
            self._even_if_full(pool, partial(self._run, "guard", pool, commands.guard(wanted, name)))
        if found.mountpoint != pool.path or not found.mounted:
            self._mount_at_path(pool, wanted, found)
        # Last: until its own dataset is to appear at the pool's path, a boot would mount it where it says itself.
        if not found.cached:
            self.host.run(commands.cache(wanted), check=False)

    def _mount_at_path(self, pool: PoolSpec, wanted: Wanted, found: Found) -> None:
        if self._strangers(pool):
            raise Unavailable(f"cannot open pool {pool.name}: {pool.path} holds something else")
        if found.mountpoint != pool.path:
            self._run("mount", pool, commands.set_mountpoint(wanted))
        if not self._found(pool, wanted).mounted:
            self._run("mount", pool, commands.mount(wanted))
        if not self._found(pool, wanted).mounted:
            raise Unavailable(f"cannot open pool {pool.name}: ZFS did not mount it at {pool.path}")

    def _found(self, pool: PoolSpec, wanted: Wanted) -> Found:
        found = find(self.host, wanted)
        if found is None:
            raise Unavailable(f"cannot use pool {pool.name}: its ZFS pool {wanted.zpool} went away")
        return found

    def _destroy(self, pool: PoolSpec, wanted: Wanted) -> None:
        """Only once nobody uses it, which may take a moment after files were closed."""
        for left in reversed(range(BUSY_TRIES)):
            result = self.host.run(commands.destroy(wanted), check=False, timeout=LONG)
            if not result.code:
                return
            if left:
                time.sleep(0.2)
        printed = result.err.decode(errors="replace").strip()[-300:]
        raise Conflict(f"cannot remove pool {pool.name}: {printed}", hint="end what uses its files, then try again")

    def _offered(self) -> tuple[commands.Offered, commands.Offered]:
        printed = (self.host.run(argv, check=False).err for argv in (commands.POOL_USAGE, commands.USAGE))
        pool_offered, offered = (parse.offered(text) for text in printed)
        return pool_offered, offered

    def _run(self, verb: str, pool: PoolSpec, argv: Argv) -> None:
        result = self.host.run(argv, check=False, timeout=LONG)
        if result.code:
            printed = result.err.decode(errors="replace").strip()[-500:]
            kind = NoRoom if "out of space" in printed else Conflict
            raise kind(f"cannot {verb} pool {pool.name}: {printed}")


def _is_anothers(printed: bytes) -> bool:
    """Whether ZFS refused because another machine did not export the ZFS pool."""
    return b"other system" in printed


def _harmless(wanted: Wanted, name: str) -> str:
    """The setting that lets that dataset appear nowhere, or to nobody else."""
    return shlex.join(["sharenfs=off", "sharesmb=off", name] if name == wanted.dataset else ["mountpoint=none", name])


def _last_used(written: Written) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(written.when))
    return f"the machine {written.host or 'without a name'} used it last, at {moment} UTC"
