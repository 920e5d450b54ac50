"""A storage driver without commands whose pools are folders, and whose troubles are files that a test lays down."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from origo.contracts import Facts, Lack, Place, PoolSpec, PoolUsage
from origo.contracts.folders import AREAS, FolderStorage
from origo.errors import BadInput, NoRoom, Unavailable
from origo.host import Host


class FakeStorage(FolderStorage):
    """Option `world` is the folder of its troubles; its pools lie where they are to lie, and are real folders.

    A file `<world>/fail/<method>` makes that method raise Unavailable with the file's text; `<world>/full` makes
    pools full (no room is told, no pool is made); `<world>/degraded` holds the sentence of their health; each line of
    `<world>/lacks` is something the host lacks. A pool whose folder is renamed is one whose disk is gone.
    """

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        self.world = Path(options["world"])

    def check(self) -> list[Lack]:
        """What a test says it lacks."""
        self._fail("check")
        path = self.world / "lacks"
        return [Lack(line, "remove the file") for line in path.read_text().splitlines()] if path.exists() else []

    def info(self) -> Facts:
        """Its title."""
        self._fail("info")
        return Facts("Folders of a test")

    def render(self, pool: PoolSpec) -> str:
        """The folders that would be made."""
        return "".join(f"mkdir {pool.path}/{area}\n" for area in AREAS)

    def create(self, pool: PoolSpec) -> None:
        """Make the folder and its areas."""
        self._fail("create")
        self.examine(pool)
        if self._trouble("full") is not None:
            raise NoRoom(f"cannot make pool {pool.name}: there is no room")
        self._make(pool, {})

    def destroy(self, pool: PoolSpec) -> None:
        """Remove the folder of an empty pool."""
        self._fail("destroy")
        if not self.host.exists(pool.path) or self._is_foreign(pool):
            return
        self._unmake(pool)
        if not self.host.list(pool.path):
            self.host.remove(pool.path)

    def open(self, pool: PoolSpec) -> None:
        """It is there or not."""
        self._fail("open")
        self._marker(pool)
        self._check_areas(pool)

    def usage(self, pool: PoolSpec) -> PoolUsage:
        """The file system's room, or what a test says."""
        self._fail("usage")
        self._marker(pool)
        space, sentence = self.host.space(pool.path), self._trouble("degraded") or ""
        free = 0 if self._trouble("full") is not None else space.free_bytes
        return PoolUsage(space.total_bytes, free, "degraded" if sentence else "ok", sentence)

    def list(self, pool: PoolSpec, area: str) -> Mapping[str, int]:
        """Regular files with plain names."""
        self._fail("list")
        folder = self._area(pool, area)
        self._marker(pool)
        found = {}
        for name in self.host.list(folder):
            with contextlib.suppress(BadInput):
                facts = self.host.stat(self.place(pool, Place(area, name)))
                if facts.kind == "file":
                    found[name] = facts.allocated_bytes
        return found

    def move(self, pool: PoolSpec, place: Place, target: Place) -> None:
        """One rename."""
        self._fail("move")
        super().move(pool, place, target)

    def seal(self, pool: PoolSpec, place: Place) -> None:
        """Root's, 0444."""
        self._fail("seal")
        super().seal(pool, place)

    def remove(self, pool: PoolSpec, place: Place) -> None:
        """Gone."""
        self._fail("remove")
        super().remove(pool, place)

    def _fail(self, method: str) -> None:
        text = self._trouble(f"fail/{method}")
        if text is not None:
            raise Unavailable(text or f"cannot {method}: told to fail")

    def _trouble(self, name: str) -> str | None:
        """What a test wrote into that file; None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self.world / name).read_text().strip()
        return None
