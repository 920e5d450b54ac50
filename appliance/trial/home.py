"""Where a trial lives: a folder with our marker, for one trial at a time, removed only when it is surely ours."""

import contextlib
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from origo import home as engine_home
from origo.errors import Conflict, NotFound

DEFAULT = Path("/var/lib/origo-try")
MARKER = ".origo-try"
LONGEST = 60
"""Characters of a home's path: the sockets below it must fit into what a unix socket's address holds."""
DOWN_SECONDS = 180


def make(path: Path) -> bool:
    """Make `path` a trial's home where it is none; whether it is new. Raises Conflict where that cannot be."""
    if len(str(path)) > LONGEST:
        raise Conflict(f"cannot use {path} as a home: its path has more than {LONGEST} characters")
    for folder in path.parents:
        if folder.exists() and not folder.stat().st_mode & 0o001:
            raise Conflict(
                f"cannot use {path} as a home: {folder} is closed to the user that guests run as",
                hint=f"choose another with --home, such as {DEFAULT}",
            )
    if path.exists() and not path.is_dir():
        raise Conflict(f"cannot use {path} as a home: it is no folder")
    new = not is_trial(path)
    if new and path.exists() and any(path.iterdir()):
        raise Conflict(f"cannot use {path} as a home: it holds files of something else", hint="name an empty folder")
    engine_home.make(path)
    (path / MARKER).touch(mode=0o644)
    return new


def is_trial(path: Path) -> bool:
    """Whether that folder is a trial's home."""
    return (path / MARKER).is_file()


@contextlib.contextmanager
def taken(path: Path) -> Iterator[None]:
    """Have the home for ourselves. Raises Conflict when another trial runs there."""
    with (path / MARKER).open("r+") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"cannot start on {path}: a trial runs there already (process {marker.read().strip()})",
                hint="stop it with Ctrl-C there or `appliance/try --down`, or choose another home with --home",
            ) from None
        marker.truncate(0)
        marker.write(f"{os.getpid()}\n")
        marker.flush()
        yield


def holder(path: Path) -> int | None:
    """The process whose trial runs there, or None. Raises NotFound where there is no trial's home."""
    if not is_trial(path):
        raise NotFound(f"cannot find a trial in {path}", hint="name its home with --home")
    with (path / MARKER).open() as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(marker.read().strip() or 0) or None
    return None


def end(path: Path) -> bool:
    """Ask the trial that runs there to end, and wait until it has; False when none runs. Raises Conflict."""
    process = holder(path)
    if process is None:
        return False
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while holder(path) is not None:
        if time.monotonic() > deadline:
            raise Conflict(f"cannot stop the trial in {path}: process {process} has not ended")
        time.sleep(0.1)
    return True


def check_removable(path: Path) -> None:
    """Raises NotFound or Conflict when that folder must not be removed."""
    process = holder(path)
    if process is not None:
        raise Conflict(f"cannot remove {path}: a trial runs there (process {process})", hint="stop it with --down")
    for mounted in mount_points():
        if mounted == path or path in mounted.parents:
            raise Conflict(f"cannot remove {path}: {mounted} is a mount point", hint="unmount it first")


def remove(path: Path) -> None:
    """Remove a home with all that is in it. Raises NotFound or Conflict when it must not be removed."""
    check_removable(path)
    shutil.rmtree(path)


def mount_points() -> list[Path]:
    """Every mount point that this process sees."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # Spaces and the like are written there as \040, three octal digits.
    return [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
