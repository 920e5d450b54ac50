"""Pools that are folders: a marker says whose they are and on which file system, every change is one rename."""

from origo_plugins.storage_rsync import commands, parse

from origo.contracts import Facts, Lack, PoolSpec, PoolUsage
from origo.contracts.folders import FolderStorage
from origo.errors import CommandFailed, Conflict, NotFound


class RsyncStorage(FolderStorage):
    """A pool is a folder with a marker. It has no options."""

    def check(self) -> list[Lack]:
        """Needs three commands that every Debian has."""
        lacks = []
        for command in commands.NEEDED:
            try:
                self.host.run([command, "--version"])
            except CommandFailed:
                lacks.append(Lack(f"cannot find the command {command}", "apt install coreutils findutils util-linux"))
        return lacks

    def info(self) -> Facts:
        """What it is."""
        return Facts("Folders")

    def render(self, pool: PoolSpec) -> str:
        """What `create` does, as commands; it needs none itself."""
        return commands.text(commands.create(pool))

    def examine(self, pool: PoolSpec) -> None:
        """The path, and whether a pool that is there lies on its own disk."""
        super().examine(pool)
        if self._ours(pool) and (lost := self._lost(pool)):
            raise Conflict(f"cannot make pool {pool.name} at {pool.path}: {lost}")

    def create(self, pool: PoolSpec) -> None:
        """Make the folder, mark it, make the areas."""
        self.examine(pool)
        if self._ours(pool):
            self._make(pool, {})
            return
        self.host.make_folder(pool.path)
        self._make(pool, {"file_system": self._file_system(pool).as_dict()})

    def destroy(self, pool: PoolSpec) -> None:
        """Remove an empty pool, and its folder unless something is mounted there."""
        if not self.host.exists(pool.path) or self._is_foreign(pool):
            return
        self._unmake(pool)
        if not self.host.list(pool.path) and self._file_system(pool).mount != pool.path:
            self.host.remove(pool.path)

    def open(self, pool: PoolSpec) -> None:
        """It is there or not."""
        lost = self._lost(pool)
        if lost:
            raise NotFound(f"cannot find pool {pool.name}: {lost}", hint="mount its disk, then try again")
        self._check_areas(pool)

    def usage(self, pool: PoolSpec) -> PoolUsage:
        """The file system's room; without any when it is not the pool's own."""
        lost = self._lost(pool)
        if lost:
            return PoolUsage(0, 0, "failed", f"pool {pool.name} at {pool.path} cannot be used: {lost}")
        space = self.host.space(pool.path)
        closed = self._closed(pool)
        if closed:
            sentence = f"guests cannot reach pool {pool.name}: only its owner may enter {closed}"
            return PoolUsage(space.total_bytes, space.free_bytes, "degraded", sentence)
        return PoolUsage(space.total_bytes, space.free_bytes)

    def _lost(self, pool: PoolSpec) -> str:
        return parse.lost(parse.remembered(self._marker(pool)), self._file_system(pool))

    def _file_system(self, pool: PoolSpec) -> parse.FileSystem:
        return parse.file_system(self.host.run(commands.file_system(pool.path)).out)
