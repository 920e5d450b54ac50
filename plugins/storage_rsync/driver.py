"""Pools that are folders: a marker says whose they are, and every change is one rename."""

import json
from collections.abc import Mapping

from origo.contracts import Facts, Lack, Place, PoolSpec, PoolUsage, Storage
from origo.errors import BadInput, Conflict, NotFound

AREAS = {"images": 0o711, "masters": 0o711, "trash": 0o700, "engine": 0o700}
MARKER = "engine/pool.json"


class FolderStorage(Storage):
    """A pool is a folder with a marker; its areas are folders in it."""

    def check(self) -> list[Lack]:
        """Nothing is needed but a file system."""
        return []

    def info(self) -> Facts:
        """What it is."""
        return Facts("Folders")

    def render(self, pool: PoolSpec) -> str:
        """The folders that would be made."""
        return "".join(f"mkdir {pool.path}/{area}\n" for area in AREAS)

    def create(self, pool: PoolSpec) -> None:
        """Make the folder and its areas."""
        if self.host.exists(pool.path) and not self._ours(pool) and self.host.list(pool.path):
            raise Conflict(f"cannot create pool {pool.name}: {pool.path} holds something else")
        self.host.make_folder(pool.path, mode=0o711)
        for area, mode in AREAS.items():
            self.host.make_folder(f"{pool.path}/{area}", mode=mode)
        self.host.write(f"{pool.path}/{MARKER}", json.dumps({"id": pool.id}).encode(), mode=0o600)

    def destroy(self, pool: PoolSpec) -> None:
        """Remove the folders of an empty pool."""
        if not self._ours(pool):
            return
        for area in ("images", "masters", "trash"):
            if self.host.exists(f"{pool.path}/{area}"):
                if self.host.list(f"{pool.path}/{area}"):
                    raise Conflict(f"cannot destroy pool {pool.name}: there is something in it")
                self.host.remove(f"{pool.path}/{area}")
        self.host.remove(f"{pool.path}/{MARKER}")
        self.host.remove(f"{pool.path}/engine")
        self.host.remove(pool.path)

    def open(self, pool: PoolSpec) -> None:
        """It is there or not."""
        if not self._ours(pool):
            raise NotFound(f"cannot open pool {pool.name}: {pool.path} is not there")

    def usage(self, pool: PoolSpec) -> PoolUsage:
        """The file system's room."""
        self.open(pool)
        space = self.host.space(pool.path)
        return PoolUsage(space.total_bytes, space.free_bytes)

    def place(self, pool: PoolSpec, place: Place) -> str:
        """The path."""
        if place.area not in AREAS or not place.name or "/" in place.name or place.name in (".", ".."):
            raise BadInput(f"cannot use {place.area}/{place.name} as a place")
        return f"{pool.path}/{place.area}/{place.name}"

    def list(self, pool: PoolSpec, area: str) -> Mapping[str, int]:
        """Names with what they allocate."""
        folder = f"{pool.path}/{area}"
        return {name: self.host.stat(f"{folder}/{name}").allocated_bytes for name in self.host.list(folder)}

    def move(self, pool: PoolSpec, place: Place, target: Place) -> None:
        """One rename."""
        source, end = self.place(pool, place), self.place(pool, target)
        if self.host.exists(source):
            if self.host.exists(end):
                raise Conflict(f"cannot move {place.name}: both are there")
            self.host.rename(source, end)
        elif not self.host.exists(end):
            raise NotFound(f"cannot move {place.name}: it is not there")

    def seal(self, pool: PoolSpec, place: Place) -> None:
        """Root's, 0444."""
        self.host.protect(self.place(pool, place), mode=0o444, user="root")

    def remove(self, pool: PoolSpec, place: Place) -> None:
        """Gone."""
        self.host.remove(self.place(pool, place))

    def _ours(self, pool: PoolSpec) -> bool:
        return self.host.exists(f"{pool.path}/{MARKER}")
