"""The files and devices below a ZFS pool: what they hold, whether they may be used, and leaving them empty again."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from origo_plugins.storage_zfs import commands, parse
from origo_plugins.storage_zfs.options import Wanted
from origo_plugins.storage_zfs.parse import Signature, Written

from origo.errors import BadInput, CommandFailed, Conflict, NoRoom, NotFound, Unavailable, size
from origo.host import Host

ZFS = "zfs_member"
DESTROYED = 2
"""What the label of a destroyed ZFS pool says of its state; of one in use it is 0, of an exported one 1."""


PRIVATE = 0o600


@dataclass(frozen=True)
class Held:
    """What a path of a source holds: the source itself, or one of its partitions."""

    source: str
    path: str
    signs: tuple[Signature, ...]


class Sources:
    """What a ZFS pool lies on, or shall. Files are made and removed by us; devices must be empty, and are left so."""

    def __init__(self, host: Host, wanted: Wanted) -> None:
        self._host = host
        self._wanted = wanted
        self._what = f"cannot make the ZFS pool {wanted.zpool}"

    def guid(self) -> str:
        """The id of the ZFS pool of the wanted name that lives on them; empty if none does. A device that cannot be
        read any more tells nothing: a mirror has others."""
        held = self._held(readable=True)
        dead = self._dead(held)
        found = {sign.uuid for one in held for sign in one.signs if self._is_ours(sign)} - dead
        if len(found) > 1:
            raise Unavailable(f"cannot tell which ZFS pool is {self._wanted.zpool}: several of that name lie there")
        return next(iter(found), "")

    def written(self) -> Written:
        """When the ZFS pool of the wanted name that lies on them was written last, and by which machine."""
        paths = [one.path for one in self._held(readable=True) for sign in one.signs if self._is_ours(sign)]
        return max(parse.written(self._host.run(commands.history(path)).out) for path in paths)

    def usable(self) -> None:
        """Refuse devices that are none, or are mounted."""
        for source in self._wanted.devices:
            if not self._host.exists(source):
                raise BadInput(f"{self._what}: there is no {source}")
            if self._host.stat(source).kind in ("file", "folder"):
                hint = "name files with the option file, with a size"
                raise BadInput(f"{self._what}: {source} is no device", hint=hint)
            for device in parse.devices(self._host.run(commands.devices(source)).out):
                if device.mounts:
                    raise Conflict(f"{self._what}: {device.path} is in use, mounted at {device.mounts[0]}")

    def check(self) -> None:
        """Refuse devices and files that hold more than what `clear` removes, and files for which there is no room."""
        what, held = self._what, self._held()
        left = self._left(held)
        for one in held:
            if one.signs and one.source not in left:
                hint = f"if nobody needs it: wipefs --all {one.path}"
                raise Conflict(f"{what}: {one.path} holds {_described(one.signs[0])}", hint=hint)
        given_back = sum(self._host.stat(file).allocated_bytes for file in self._wanted.files if file in left)
        for file in self._wanted.files:
            self._check_file(file, given_back, ours=file in left)

    def reserve(self) -> None:
        """Take all blocks of the files, where the file system below can do that."""
        for file in self._wanted.files:
            result = self._host.run(commands.reserve(self._wanted, file), check=False, timeout=600)
            if b"No space left" in result.err:
                raise NoRoom(f"{self._what}: there is no room for {file}")

    def close(self) -> None:
        """Let nobody but root read the files: what guests write is in them. They may have been made by an older us."""
        for file in self._wanted.files:
            if self._host.exists(file) and self._host.stat(file).mode != PRIVATE:
                self._host.protect(file, mode=PRIVATE)

    def clear(self) -> None:
        """Remove our files, and take the signatures of a ZFS pool of ours that was destroyed from its devices."""
        held = self._held()
        left = self._left(held)
        # Partitions first: wiping the disk makes them go away.
        for one in reversed(held):
            if one.source in self._wanted.files:
                if one.source in left or self._is_blank(one.path):
                    self._host.remove(one.path)
            elif one.source in left:
                self._host.run(commands.wipe(one.path))

    def _held(self, *, readable: bool = False) -> tuple[Held, ...]:
        """What is on them; with `readable` only on those that can be read."""
        held: list[Held] = []
        for source in self._wanted.sources:
            try:
                held += self._held_by(source)
            except CommandFailed:
                if not readable:
                    raise
        return tuple(held)

    def _held_by(self, source: str) -> Iterator[Held]:
        """A file, or a device and its partitions, each with what it holds; nothing for what is not there."""
        if not self._host.exists(source):
            return
        kind = self._host.stat(source).kind
        paths = [source] if kind == "file" and source in self._wanted.files else []
        if kind in ("other", "link") and source in self._wanted.devices:
            paths = [device.path for device in parse.devices(self._host.run(commands.devices(source)).out)]
        for path in paths:
            yield Held(source, path, parse.signatures(self._host.run(commands.signatures(path)).out))

    def _left(self, held: tuple[Held, ...]) -> frozenset[str]:
        """The sources that a ZFS pool of ours lay on which was destroyed."""
        dead = self._dead(held)
        return frozenset(one.source for one in held for sign in one.signs if self._is_ours(sign) and sign.uuid in dead)

    def _dead(self, held: tuple[Held, ...]) -> frozenset[str]:
        """Ids of ZFS pools of our name that were destroyed: it is enough that the label of one device says so, since
        one that was offline at that time was not told."""
        ours = [(one.path, sign.uuid) for one in held for sign in one.signs if self._is_ours(sign)]
        states = ((uuid, parse.label_state(self._host.run(commands.label(path)).out)) for path, uuid in ours)
        return frozenset(uuid for uuid, state in states if state == DESTROYED)

    def _check_file(self, file: str, given_back: int, *, ours: bool) -> None:
        what, folder = self._what, posixpath.dirname(file)
        try:
            free = self._host.space(folder).free_bytes + given_back
        except NotFound:
            raise BadInput(f"{what}: there is no folder {folder}") from None
        needed = self._wanted.size_bytes * len(self._wanted.files)
        if needed > free:
            raise NoRoom(f"{what}: its files take {size(needed)}, and {folder} has {size(free)}")
        if self._host.exists(file) and self._host.stat(file).kind != "file":
            raise Conflict(f"{what}: {file} is no file")
        if self._host.exists(file) and not ours and not self._is_blank(file):
            raise Conflict(f"{what}: {file} holds something already", hint="name a file that is not there yet")

    def _is_blank(self, file: str) -> bool:
        """Whether that is a file without any block, as we make them."""
        facts = self._host.stat(file)
        return facts.kind == "file" and facts.allocated_bytes == 0

    def _is_ours(self, sign: Signature) -> bool:
        return sign.type == ZFS and sign.label == self._wanted.zpool


def _described(sign: Signature) -> str:
    if sign.type == ZFS:
        return f"a ZFS pool named {sign.label}" if sign.label else "a ZFS pool"
    kind = "partition table" if sign.type in ("gpt", "dos", "PMBR", "bsd", "sun", "mac") else "signature"
    return f"a {kind} ({sign.type})" if not sign.label else f"a {kind} ({sign.type}, {sign.label})"
