"""This machine as a Host."""

import contextlib
import fcntl
import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from origo.errors import CommandFailed, TooLarge, size
from origo.host import files
from origo.host import group as groups
from origo.host.argv import environment, prefix
from origo.host.commands import CommandHost
from origo.host.contract import Command, FileFacts, Limits, Space, current_job

PIECE = 1 << 20


class LocalHost(CommandHost):
    """The machine that this process runs on."""

    def __init__(self, name: str = "localhost") -> None:
        self.name = name

    def command(
        self,
        argv: Sequence[str],
        *,
        niced: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Command:
        """The process to start: `argv` behind what reduces its rights, with the group of the current job."""
        work = current_job()
        work.hosts.add(self)
        group = work.group or f"command-{secrets.token_hex(8)}"
        words = prefix(niced=niced, user=self._user(user) if user else None, limits=limits)
        return Command((*words, *argv), environment(group, env), tuple(argv), group)

    def end(self, group: str) -> None:
        """End every process of that group."""
        groups.end(group)

    def read(self, path: str, *, limit: int = 16 << 20) -> bytes:
        """A whole file; a pipe or a device is refused, not waited for."""
        with _said("read", path), os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise files.error("read", path, files.IRREGULAR)
            data = b"".join(_pieces(file, limit + 1))
        if len(data) > limit:
            raise TooLarge(f"cannot read {path}: it is larger than {size(limit)}")
        return data

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Replace a file by a new one beside it, both it and the folder on disk before this returns."""
        fresh = files.fresh(path)
        with _said("write", path):
            with _new(fresh) as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.replace(fresh, path)
            _sync_folder(path)

    def stat(self, path: str) -> FileFacts:
        """Facts of a file, links not followed."""
        with _said("find", path):
            facts = os.lstat(path)
        identity = f"{facts.st_dev}:{facts.st_ino}"
        return files.facts(facts.st_mode, facts.st_size, facts.st_blocks * 512, facts.st_uid, facts.st_mtime, identity)

    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
        with _said("list", path):
            return sorted(os.listdir(path))

    def make_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Make a folder and those above it, with that mode whatever the umask."""
        with _said("make the folder", path):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)

    def rename(self, path: str, target: str) -> None:
        """Rename, then have both folders on disk."""
        with _said("rename", path):
            os.replace(path, target)
            _sync_folder(path)
            _sync_folder(target)

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder, then have its folder on disk, also when it was gone already."""
        with _said("remove", path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.isfile(files.fresh(path)):
                _clear(files.fresh(path))
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path) if stat.S_ISDIR(os.lstat(path).st_mode) else os.unlink(path)
            _sync_folder(path)

    def protect(self, path: str, *, mode: int, user: str | None = None) -> None:
        """Set owner and permission bits of what is there now, never of what a link points to."""
        uid, gid = self._user(user) if user else (-1, -1)
        with _said("protect", path):
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if user:
                    os.fchown(file, uid, gid)
                os.fchmod(file, mode)
            finally:
                os.close(file)

    def space(self, path: str) -> Space:
        """The room of the file system that holds `path`."""
        with _said("find", path):
            facts = os.statvfs(path)
        return Space(facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize)

    def _user(self, name: str) -> tuple[int, int]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise CommandFailed(f"cannot run anything as {name}: there is no such user on {self.name}") from None
        return entry.pw_uid, entry.pw_gid


@contextlib.contextmanager
def _said(verb: str, path: str) -> Iterator[None]:
    """The system's errors as sentences."""
    try:
        yield
    except OSError as error:
        raise files.error(verb, path, error.strerror or str(error)) from error


@contextlib.contextmanager
def _new(path: str) -> Iterator[BinaryIO]:
    """A new file, locked as long as it is written; gone again if this goes wrong."""
    with _made(path) as file:
        try:
            yield file
        except BaseException:
            os.unlink(path)
            raise


def _made(path: str) -> BinaryIO:
    while True:
        try:
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        except FileExistsError:
            _clear(path)
        else:
            if _lock(file.fileno(), path):
                return file
            file.close()


def _clear(path: str) -> None:
    """Remove what a killed writer left there; wait for one that lives."""
    with contextlib.suppress(FileNotFoundError):
        file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if _lock(file, path):
                os.unlink(path)
        finally:
            os.close(file)


def _lock(file: int, path: str) -> bool:
    """Wait until nobody else has the file; whether it is still what is at that path."""
    fcntl.flock(file, fcntl.LOCK_EX)
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.lstat(path))
    return False


def _pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    """What is in a file, up to that many bytes; files of the kernel refuse to be read by millions of bytes at once."""
    while most and (piece := file.read(min(most, PIECE))):
        yield piece
        most -= len(piece)


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
