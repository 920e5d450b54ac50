"""Room that the home keeps back on its disk: with it the engine starts and writes when all else is full."""

import contextlib
import os
import threading
from pathlib import Path

from origo.errors import NoRoom, size

FILE = "reserve"
SIZE = 32 << 20
"""Bytes: several times the database's log at its longest, which is what a start writes most of."""
CHANGE = 4 << 20
"""Bytes: more than one change of the database takes."""
NOBODYS = 16 << 20
"""Bytes that ext4 calls free and gives to nobody: 4096 blocks (`s_resv_clusters`)."""
HINT = "free some space on it: `origo doctor` says how"

_keeping = threading.Lock()


def left(home: Path) -> int:
    """How many bytes are free on the home's disk for everybody, besides what is kept back."""
    facts = os.statvfs(home)
    return facts.f_bavail * facts.f_frsize


def last(home: Path) -> int:
    """How many root, and so the engine, may still write for certain; file systems keep some for root alone."""
    facts = os.statvfs(home)
    return facts.f_bfree * facts.f_frsize - NOBODYS


def is_full(home: Path) -> bool:
    """Whether what was kept back is in use, or is about to be."""
    return left(home) < SIZE or not (home / FILE).exists()


def keep(home: Path) -> None:
    """Have the room kept back while there is plenty, and given only at the very end: at the start, and at each look.

    What is given while some program still fills the disk is that program's.
    """
    with _keeping:
        _unfinished(home).unlink(missing_ok=True)
        before_a_change(home)
        if not (home / FILE).exists() and left(home) >= 3 * SIZE:
            _take(home)


def before_a_change(home: Path) -> None:
    """Give what is kept back to a change of the database that would hardly find any room without it."""
    with contextlib.suppress(OSError):
        if last(home) < CHANGE:
            give(home)


def give(home: Path) -> None:
    """Give what is kept back to whatever is written now; fine when nothing is."""
    (home / FILE).unlink(missing_ok=True)


def _take(home: Path) -> None:
    new = _unfinished(home)
    with contextlib.suppress(OSError):  # another program was faster: the next look tries again
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
            new.rename(home / FILE)
        finally:
            os.close(descriptor)
            new.unlink(missing_ok=True)


def _unfinished(home: Path) -> Path:
    return home / f"{FILE}.new"


def admit(home: Path, what: str, disk_bytes: int) -> None:
    """Let something begin that takes so many bytes of some disk: one that takes any only while the home's is not full.

    Raises NoRoom, with `what` in the sentence.
    """
    if disk_bytes <= 0:
        return
    keep(home)
    if is_full(home):
        raise NoRoom(f"cannot begin {what}: the engine's own disk is full, {size(left(home))} are left", hint=HINT)
