"""What files have in common on every host: their facts, and the system's errors as sentences."""

import errno
import os
import stat

from origo.errors import Conflict, NoRoom, NotFound, OrigoError, Unavailable
from origo.host.contract import FileFacts

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
IRREGULAR = "it is no regular file"
CONFLICTS = (
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTEMPTY,
    errno.EXDEV,
    errno.EBUSY,
    errno.ELOOP,
)
ERRORS: dict[str, type[OrigoError]] = {
    os.strerror(errno.ENOENT): NotFound,
    os.strerror(errno.ENOTDIR): NotFound,
    os.strerror(errno.ESRCH): NotFound,
    os.strerror(errno.ENOSPC): NoRoom,
    os.strerror(errno.EDQUOT): NoRoom,
    **{os.strerror(number): Conflict for number in CONFLICTS},
    "cannot overwrite": Conflict,
    IRREGULAR: Conflict,
}
"""Which error a person sees, by the words of the system and of coreutils; any other: the machine is not well."""


def fresh(path: str) -> str:
    """Where a file is written before it takes its place: one name, so that what a killed writer left is found again."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.new"


def error(verb: str, path: str, printed: str, *, where: str = "") -> OrigoError:
    """The error of doing `verb` to a file, from what the system or a command said of it."""
    for words, kind in ERRORS.items():
        if words in printed:
            return kind(f"cannot {verb} {path}{where}: {words[:1].lower()}{words[1:]}")
    return Unavailable(f"cannot {verb} {path}{where}: {printed.strip() or 'it failed'}")


def facts(mode: int, size: int, allocated: int, uid: int, modified: float, identity: str) -> FileFacts:
    """Facts from what stat(2) tells; `mode` holds kind and permission bits."""
    kind = KINDS.get(stat.S_IFMT(mode), "other")
    return FileFacts(kind, size, allocated, stat.S_IMODE(mode), uid, modified, identity)
