"""One build at work: where it reads, where it writes, and whom it tells."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from origo.errors import Cancelled
from origo.host import Host, current_job, job
from origo.services.catalog.recipe import Base, Content, File, Recipe, Server, content


@dataclass(frozen=True)
class Part:
    """One server of a recipe, and the folder that the recipe's files are in."""

    recipe: Recipe
    server: Server
    folder: Path

    @property
    def base(self) -> Base:
        """What the system starts from."""
        return self.recipe.base

    @property
    def content(self) -> Content:
        """What comes on top of the base."""
        return content(self.recipe, self.server)

    @property
    def mount(self) -> str | None:
        """Where the data disk appears in the tree, if there is one."""
        return self.server.data.mount if self.server.data else None

    def files(self, role: str) -> tuple[File, ...]:
        """The recipe's files that belong on this disk: those below the mount point are the data disk's."""
        return tuple(file for file in self.content.files if self._is_data(file.target) == (role == "data"))

    def _is_data(self, target: str) -> bool:
        return self.mount is not None and (target == self.mount or target.startswith(f"{self.mount}/"))


@dataclass(frozen=True)
class Work(Part):
    """The build of one server's disks: `path` is a folder of its own, `cache` is shared by all builds."""

    host: Host
    path: Path
    cache: Path
    log: Callable[[str], None]
    fresh: bool = False


def part(recipe: Recipe, member: str, folder: str | Path) -> Part:
    """The server of that name in the recipe."""
    server = next(server for server in recipe.servers if server.name == member)
    return Part(recipe, server, Path(folder))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one build at a time change a folder of the cache; the others wait, and may be cancelled meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check()
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def scaled(begin: float, end: float) -> Iterator[None]:
    """Let what is reported in the block, from 0 to 1, be this part of the whole."""
    outer = current_job()
    inner = replace(outer, report=lambda fraction, text: outer.report(begin + (end - begin) * fraction, text))
    with job(inner):
        yield


def check() -> None:
    """Raise Cancelled if the current job is cancelled."""
    if current_job().cancelled():
        raise Cancelled("cannot go on with the build: it was cancelled")
