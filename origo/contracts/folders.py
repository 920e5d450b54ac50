"""Pools that are folders of files: what storage drivers share whose pools are seen as mounted file systems."""

import json
import posixpath
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from origo.contracts.storage import Exports, Place, PoolSpec, Storage
from origo.errors import BadInput, Conflict, NotFound, Unavailable

AREAS = {"images": 0o711, "masters": 0o711, "trash": 0o700, "engine": 0o700}
"""The folders of a pool: guests' processes reach images and masters by name; nobody but root lists anything."""
MARKER = "pool.json"
"""The file in a pool that says whose it is; it is written before anything else and removed last."""
TOP_MODE = 0o711
UNFINISHED = 0o1000
EXPORTED = {"images": "rw,no_root_squash", "masters": "ro,root_squash"}
"""How NFS gives an area to a node: its libvirt changes, as root, whose images are; a master nobody changes."""
NAME_BYTES = 200


class FolderStorage(Storage, Exports):
    """Places are files in the pool's areas. A driver adds how the file system below comes and goes.

    Nothing here runs a command for an image but `list` (one for all) and `seal` (one to bring it to disk).
    """

    def place(self, pool: PoolSpec, place: Place) -> str:
        """`<path>/<area>/<name>`."""
        if not _plain(place.name):
            raise BadInput(
                f"cannot use {place.name!r} as the name of a file in pool {pool.name}",
                hint="a name is one word without '/', does not begin with '.' or '-', and has at most 200 bytes",
            )
        return f"{self._area(pool, place.area)}/{place.name}"

    def list(self, pool: PoolSpec, area: str) -> Mapping[str, int]:
        """Regular files only, with one command however many there are."""
        folder = self._area(pool, area)
        argv = ["find", folder, "-ignore_readdir_race", "-mindepth", "1", "-maxdepth", "1", "-type", "f"]
        result = self.host.run([*argv, "-printf", r"%b %f\0"], check=False, timeout=300)
        if result.code:
            self._marker(pool)
            self.host.stat(folder)
            raise Unavailable(f"cannot list {folder}: {result.err.decode(errors='replace').strip()[-200:]}")
        return listed(result.out)

    def move(self, pool: PoolSpec, place: Place, target: Place) -> None:
        """One durable rename."""
        source, end = self.place(pool, place), self.place(pool, target)
        there = self.host.exists(source)
        if source == end or not self.host.exists(end):
            if there and source != end:
                self.host.rename(source, end)
            elif not there:
                self._marker(pool)
                raise NotFound(f"cannot move {place.area}/{place.name} in pool {pool.name}: it is not there")
        elif there:
            raise Conflict(f"cannot move {place.area}/{place.name} in pool {pool.name}: {end} is there already")

    def seal(self, pool: PoolSpec, place: Place) -> None:
        """One change of owner and mode, and one command that waits until content and mode are on disk."""
        path = self.place(pool, place)
        facts = self.host.stat(path)
        if facts.kind != "file":
            raise Conflict(f"cannot seal {path}: it is a {facts.kind}, no file")
        if facts.mode & UNFINISHED:
            raise Conflict(f"cannot seal {path}: it is not finished")
        self.host.protect(path, mode=0o444, user="root")
        self.host.run(["sync", path], timeout=3600)

    def remove(self, pool: PoolSpec, place: Place) -> None:
        """Remove a file or a link for good; when there is none, make sure that the pool is there."""
        path = self.place(pool, place)
        try:
            if self.host.stat(path).kind == "folder":
                raise Conflict(f"cannot remove {path}: it is a folder, which Origo did not make")
        except NotFound:
            self._marker(pool)
        self.host.remove(path)

    def exports(self, pool: PoolSpec, addresses: Sequence[str]) -> str:
        """A line for each of both areas: an area below an exported folder could not have options of its own."""
        lines = []
        for area, options in EXPORTED.items():
            path = self._area(pool, area)
            # The same for ever, also on another disk: nodes that have it mounted go on after that.
            id = uuid.uuid5(uuid.NAMESPACE_URL, f"origo:{path}")
            given = f"{options},sync,no_subtree_check,sec=sys,fsid={id}{self._export_options(pool)}"
            lines.append(f"{path} {' '.join(f'{address}({given})' for address in addresses)}\n")
        return "".join(lines)

    def _export_options(self, pool: PoolSpec) -> str:
        """What a driver adds, with a comma before it."""
        return ""

    def _area(self, pool: PoolSpec, area: str) -> str:
        if area not in AREAS:
            raise BadInput(f"cannot use {area!r} as an area of pool {pool.name}", hint=f"areas: {', '.join(AREAS)}")
        return f"{pool.path}/{area}"

    def _marker(self, pool: PoolSpec) -> Mapping[str, Any]:
        """The marker of this very pool. Raises NotFound when it is not there, Unavailable when it is not this one's."""
        path = f"{pool.path}/{MARKER}"
        try:
            text = self.host.read(path, limit=1 << 16)
        except NotFound:
            raise NotFound(
                f"cannot find pool {pool.name} at {pool.path}: {MARKER} is not there",
                hint="is its disk connected and mounted?",
            ) from None
        marker = read_marker(text, path)
        if marker["id"] != pool.id:
            raise Unavailable(f"cannot use {pool.path} for pool {pool.name}: it is the pool with number {marker['id']}")
        return marker

    def _ours(self, pool: PoolSpec) -> bool:
        """Whether the marker of this very pool is there. Raises Unavailable for a damaged one."""
        path = f"{pool.path}/{MARKER}"
        try:
            return bool(read_marker(self.host.read(path, limit=1 << 16), path)["id"] == pool.id)
        except NotFound:
            return False

    def examine(self, pool: PoolSpec) -> None:
        """What lies at the path alone."""
        self._check_path(pool)
        if not self._ours(pool):
            self._check_empty(pool)

    def _check_path(self, pool: PoolSpec) -> None:
        """Refuse a path that is no plain folder, or that a link or a file lies on."""
        if not _plain_path(pool.path):
            raise BadInput(f"cannot make pool {pool.name} at {pool.path!r}: that is no absolute, plain path")
        for folder in (*_above(pool.path), pool.path):
            if not self.host.exists(folder):
                return
            kind = self.host.stat(folder).kind
            if kind != "folder":
                raise Conflict(f"cannot make pool {pool.name} at {pool.path}: {folder} is a {kind}, no folder")

    def _check_empty(self, pool: PoolSpec) -> None:
        """Refuse a folder without our marker that holds anything but what a killed `create` or `destroy` leaves."""
        marked = self.host.exists(f"{pool.path}/{MARKER}")
        strangers = (MARKER,) if marked else self._strangers(pool)
        if strangers:
            raise Conflict(
                f"cannot make pool {pool.name} at {pool.path}: the folder holds something else ({strangers[0]})",
                hint="name an empty folder, or one that is not there yet",
            )

    def _is_foreign(self, pool: PoolSpec) -> bool:
        """Whether what lies at the pool's path is another pool or anything else, which is to be left."""
        marked = self.host.exists(f"{pool.path}/{MARKER}")
        return not self._ours(pool) and (marked or bool(self._strangers(pool)))

    def _strangers(self, pool: PoolSpec) -> tuple[str, ...]:
        """What is in the pool besides empty areas, its marker, and the engine's own notes if there is a marker."""
        if not self.host.exists(pool.path):
            return ()
        names = [name for name in self.host.list(pool.path) if not _left_over(name)]
        known = {*AREAS, MARKER, "lost+found"}
        found = [name for name in names if name not in known]
        for area in AREAS:
            folder = f"{pool.path}/{area}"
            if area in names and self.host.stat(folder).kind != "folder":
                found.append(area)
            elif area in names and not (area == "engine" and MARKER in names):
                found += [f"{area}/{name}" for name in self.host.list(folder)]
        return tuple(found)

    def _make(self, pool: PoolSpec, facts: Mapping[str, Any]) -> None:
        """Marker first, then the areas; what is there already stays. `facts` are the driver's own, for the marker."""
        self._check_areas(pool)
        self._make_folder(pool.path, TOP_MODE)
        if not self.host.exists(f"{pool.path}/{MARKER}"):
            text = json.dumps({"contract": 1, "id": pool.id, **facts}, indent=1) + "\n"
            self.host.write(f"{pool.path}/{MARKER}", text.encode(), mode=0o600)
        for area, mode in AREAS.items():
            self._make_folder(f"{pool.path}/{area}", mode)

    def _check_areas(self, pool: PoolSpec) -> None:
        """Refuse a pool one of whose folders is a link or a file: where a link leads is not the pool."""
        for path in (pool.path, *(f"{pool.path}/{area}" for area in AREAS)):
            kind = self.host.stat(path).kind if self.host.exists(path) else "folder"
            if kind != "folder":
                raise Unavailable(
                    f"cannot open pool {pool.name}: {path} is a {kind}, no folder",
                    hint=f"`ls -l {path}` shows it; Origo makes a folder there once nothing is in its place",
                )

    def _make_folder(self, path: str, mode: int) -> None:
        """Change only what differs: a full file system may refuse to set a mode, even the one that is there."""
        if not self.host.exists(path) or self.host.stat(path).mode != mode:
            self.host.make_folder(path, mode=mode)

    def _unmake(self, pool: PoolSpec) -> None:
        """Remove areas and marker of a pool that holds no image; the folder itself stays."""
        strangers = self._strangers(pool)
        if strangers:
            raise Conflict(f"cannot remove pool {pool.name}: {pool.path}/{strangers[0]} is in it")
        for area in AREAS:
            if area == "engine" and self.host.exists(f"{pool.path}/engine"):
                for name in self.host.list(f"{pool.path}/engine"):
                    self.host.remove(f"{pool.path}/engine/{name}")
            self.host.remove(f"{pool.path}/{area}")
        for name in self.host.list(pool.path):
            if _left_over(name):
                self.host.remove(f"{pool.path}/{name}")
        self.host.remove(f"{pool.path}/{MARKER}")

    def _closed(self, pool: PoolSpec) -> str:
        """The first folder above the pool that only its owner can enter, so that guests' processes cannot."""
        return next((folder for folder in _above(pool.path) if not self.host.stat(folder).mode & 0o001), "")


def read_marker(text: bytes, path: str) -> Mapping[str, Any]:
    """What a marker says; at least `id`. Raises Unavailable for what is none."""
    try:
        marker = json.loads(text)
    except ValueError:
        marker = None
    if not isinstance(marker, dict) or type(marker.get("id")) is not int:
        raise Unavailable(f"cannot read the pool's marker {path}: it is damaged")
    return marker


def listed(out: bytes) -> Mapping[str, int]:
    """Names and allocated bytes from `blocks name` pairs ended by NUL; names that no place can have are left out."""
    found = {}
    for entry in out.split(b"\0"):
        blocks, _, name = entry.partition(b" ")
        text = name.decode(errors="surrogateescape")
        if blocks.isdigit() and _plain(text):
            found[text] = int(blocks) * 512
    return found


def _plain(name: str) -> bool:
    """Whether that is one plain file name; what programs keep beside files (hidden ones) is none."""
    # A lone surrogate is not printable, so that what remains can be encoded.
    return (
        bool(name)
        and name.isprintable()
        and "/" not in name
        and name[0] not in ".-"
        and len(name.encode()) <= NAME_BYTES
    )


def _plain_path(path: str) -> bool:
    # normpath keeps two slashes at the beginning.
    absolute = path.startswith("/") and not path.startswith("//")
    return absolute and path.isprintable() and path != "/" and posixpath.normpath(path) == path


def _above(path: str) -> tuple[str, ...]:
    """The folders above a path, the highest first, without the root."""
    parts = path.split("/")[1:-1]
    return tuple("/" + "/".join(parts[: number + 1]) for number in range(len(parts)))


def _left_over(name: str) -> bool:
    """Whether a name is what an interrupted write of the marker leaves."""
    return name.startswith(f".{MARKER}.")
