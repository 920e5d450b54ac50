"""What findmnt tells of the file system below a pool, and whether it is still the one that the pool was made on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from origo.errors import Unavailable


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system: where, which (an empty `uuid` is not known), and of which type."""

    mount: str
    uuid: str
    type: str

    def as_dict(self) -> Mapping[str, str]:
        """For the pool's marker."""
        return asdict(self)


def file_system(printed: bytes) -> FileSystem:
    """From `findmnt --json`; where several are mounted over each other, the last is the one in use."""
    try:
        entry = json.loads(printed)["filesystems"][-1]
        return FileSystem(*(str(entry[key] or "") for key in ("target", "uuid", "fstype")))
    except (ValueError, LookupError, TypeError) as error:
        raise Unavailable("cannot tell which file system a pool lies on: findmnt printed something else") from error


def remembered(marker: Mapping[str, Any]) -> FileSystem | None:
    """The file system that the pool was made on, as its marker says; None if it says nothing of it."""
    entry = marker.get("file_system")
    if not isinstance(entry, dict):
        return None
    return FileSystem(*(str(entry.get(key) or "") for key in ("mount", "uuid", "type")))


def lost(then: FileSystem | None, now: FileSystem) -> str:
    """Why this is not the file system that the pool was made on, as the end of a sentence; empty if it may be."""
    if then is None or (then.uuid and then.uuid == now.uuid):
        return ""
    if _below(then.mount, now.mount):
        return f"{then.mount} is not mounted"
    if then.mount == now.mount and then.uuid and now.uuid:
        return f"another file system is mounted at {now.mount}"
    return ""


def _below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")
