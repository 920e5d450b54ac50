"""The home: one folder with everything of one engine, marked as such, for one daemon at a time."""

import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from origo.errors import BadInput, Conflict, reason

MARKER = ".origo-home"
FOLDERS = {
    "keys": 0o700,
    "run": 0o711,
    "run/challenges": 0o711,
    "incoming": 0o700,
    "import": 0o711,
    "build": 0o711,
    "metrics": 0o700,
    "log": 0o700,
    "pools": 0o711,
}
LEFT = ("pools", "lost+found")
"""What a folder may hold that is to become a home."""
STAGED = "restore"
"""What is to take the place of the engine's own files at the next start."""
REPLACED = ("origo.db-wal", "origo.db-shm", "origo.db", "origo.toml", "keys")
"""What a restored engine brings, or must not find; the database goes after what belongs to it."""
SIGNS = "/._-+@"
"""What a home's path may have besides letters and digits: it stands in the configuration of programs, each of which
takes other signs for something of its own."""
LONGEST = 107 - len("/run/consoles/0123456789abcdef.sock")
"""The kernel takes no longer name for a unix socket than 107 bytes; this is what is left for the home's own path."""


_NAMES = {" ": "a space", "\n": "a line break"}


class Home:
    """A home that this daemon has for itself until `release`."""

    def __init__(self, path: Path) -> None:
        """Make the home where there is none. Raises BadInput for a path that is too long or has strange signs,
        Conflict where there is something else, or another daemon."""
        strange = next((sign for sign in str(path) if not sign.isalnum() and sign not in SIGNS), "")
        if strange:
            raise BadInput(
                f"cannot use {ascii(str(path))} as a home: {_NAMES.get(strange, f'the sign {ascii(strange)}')} in it "
                "would mean something else to the programs that the engine runs",
                hint=f"name a folder whose path has only letters, digits and {' '.join(SIGNS)}",
            )
        if len(os.fsencode(path)) > LONGEST:
            raise BadInput(
                f"cannot use {path} as a home: its sockets' names would be too long for the kernel",
                hint=f"name a folder whose path has at most {LONGEST} bytes",
            )
        self.path = path
        try:
            make(path)
            self._lock = os.open(path / MARKER, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise BadInput(
                f"cannot make {path} a home: {reason(error)}", hint="run it as root, and name a folder that it may have"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Conflict(
                f"cannot start on {path}: another origo runs there",
                hint="stop it first, or choose another home with --home",
            ) from None

    def release(self) -> None:
        """Let another daemon have it."""
        os.close(self._lock)


def is_home(path: Path) -> bool:
    """Whether that folder is a home of ours; nothing without this is ever removed."""
    return (path / MARKER).is_file()


def make(path: Path) -> None:
    """Make a folder into a home. Raises Conflict for one that holds something else."""
    if path.is_dir() and not is_home(path) and not _is_free(path):
        raise Conflict(f"cannot use {path} as a home: it holds files of something else", hint="name an empty folder")
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711)
    (path / MARKER).touch(mode=0o600)
    for name, mode in FOLDERS.items():
        (path / name).mkdir(exist_ok=True)
        (path / name).chmod(mode)


def _is_free(path: Path) -> bool:
    """Whether it holds nothing of something else: a new file system's own folder is nothing, and so are pools that a
    purge has left, since each is a file system of its own."""
    mine = all(one.name in LEFT and _is_our_folder(one) for one in path.iterdir())
    return mine and all(_is_our_folder(pool) for pool in (path / "pools").glob("*"))


def _is_our_folder(path: Path) -> bool:
    """Whether it is one, not what leads to one, and nobody else can change what is in it."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o002


def stage(path: Path, files: Mapping[str, bytes]) -> None:
    """Lay out files, by their paths in a home, that take the place of its own at the next start."""
    unstage(path)
    new = path / f"{STAGED}.new"
    new.mkdir(mode=0o700)
    for name, content in files.items():
        target = new / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)
    os.sync()
    new.rename(path / STAGED)


def unstage(path: Path) -> None:
    """Take that back."""
    for name in (STAGED, f"{STAGED}.new"):
        shutil.rmtree(path / name, ignore_errors=True)


def is_staged(path: Path) -> bool:
    """Whether the next start is to begin with other files."""
    return (path / STAGED).is_dir()


def adopt(path: Path) -> bool:
    """Put what was staged into its place; whether there was anything. What was there is kept in `replaced-<number>`.

    Each part ends with one rename, so that after a crash the next start goes on with the part that was begun.
    """
    staged, aside, done = path / STAGED, path / f"{STAGED}.aside", path / f"{STAGED}.done"
    if staged.is_dir() and not aside.exists():
        _move(path, path / f"{STAGED}.old").rename(aside)
    if staged.is_dir():
        _move(staged, path)
        os.sync()
        staged.rename(done)
    if aside.exists():
        aside.rename(next(kept for number in itertools.count(1) if not (kept := path / f"replaced-{number}").exists()))
    adopted = done.is_dir()
    shutil.rmtree(done, ignore_errors=True)
    return adopted


def _move(source: Path, target: Path) -> Path:
    """Move what is replaced; an empty folder that a start has made in the place of one that went before is dropped."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in REPLACED:
        if not (source / name).exists():
            continue
        if (target / name).is_dir() and not any((source / name).iterdir()):
            (source / name).rmdir()
        else:
            (source / name).rename(target / name)
    return target
