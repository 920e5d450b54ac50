"""Room that the home keeps back on its disk: with it the engine starts and writes when all else is full."""

import contextlib
import os
from pathlib import Path

from origo.errors import NoRoom, size

FILE = "reserve"
SIZE = 32 << 20
"""Bytes: several times the database's log at its longest, which is what a start writes most of."""
HINT = "free some space on it: `origo doctor` says how"


def left(home: Path) -> int:
    """How many bytes are free on the home's disk, besides what is kept back."""
    facts = os.statvfs(home)
    return facts.f_bavail * facts.f_frsize


def is_full(home: Path) -> bool:
    """Whether what was kept back is in use, or is about to be."""
    return left(home) < SIZE or not (home / FILE).exists()


def keep(home: Path) -> None:
    """Have the room kept back, or give it to what is to be written now, as the disk is: once, and at each look."""
    file = home / FILE
    if left(home) < SIZE:
        file.unlink(missing_ok=True)
    elif not file.exists() and left(home) >= 3 * SIZE:
        _take(file)


def _take(file: Path) -> None:
    new = file.with_suffix(".new")
    with contextlib.suppress(OSError):  # another program was faster: the next look tries again
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        finally:
            os.close(descriptor)
        new.rename(file)


def admit(home: Path, what: str, disk_bytes: int) -> None:
    """Let something begin that takes so many bytes of some disk: one that takes any only while the home's is not full.

    Raises NoRoom, with `what` in the sentence.
    """
    if disk_bytes <= 0:
        return
    keep(home)
    if is_full(home):
        raise NoRoom(f"cannot begin {what}: the engine's own disk is full, {size(left(home))} are left", hint=HINT)
