"""What a machine promises to those who work on it: commands, files, and the end of whatever was started."""

import contextlib
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from origo.errors import NotFound, OrigoError, Unsupported


@dataclass(frozen=True)
class Limits:
    """What a command may use at most; None is no limit."""

    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    file_bytes: int | None = None


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    argv: tuple[str, ...]
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are replaced."""
        return self.out.decode(errors="replace")


@dataclass(frozen=True)
class FileFacts:
    """One file: `kind` is file, folder, link or other; `mode` are the permission bits; sizes in bytes.

    `identity` tells it from any other file there is at the same time, whatever their names.
    """

    kind: str
    size_bytes: int
    allocated_bytes: int
    mode: int
    uid: int
    modified: float
    identity: str = ""


@dataclass(frozen=True)
class Space:
    """A file system's room, in bytes; `free_bytes` is what an ordinary user could still write."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Job:
    """The work that is going on in this thread: every process a Host starts meanwhile belongs to its group."""

    group: str
    report: Callable[[float, str], None] = field(default=lambda fraction, text: None)
    cancelled: Callable[[], bool] = field(default=lambda: False)
    hosts: set["Host"] = field(default_factory=set, compare=False)
    """Where something was started for it; so that who began the job knows where to look for what is left."""


_job: contextvars.ContextVar[Job | None] = contextvars.ContextVar("job", default=None)


@contextlib.contextmanager
def job(work: Job) -> Iterator[None]:
    """Let all commands that this thread starts in the block belong to `work`."""
    token = _job.set(work)
    try:
        yield
    finally:
        _job.reset(token)


def current_job() -> Job:
    """The job of this thread; outside of any, one without a group that is never cancelled."""
    return _job.get() or Job(group="")


def report(fraction: float, text: str = "") -> None:
    """Tell how far the current job is: `fraction` from 0 to 1, and what it is doing."""
    current_job().report(fraction, text)


@dataclass(frozen=True)
class Command:
    """A process of this machine that does, or carries, a command of some host.

    `argv` and `env` are what is started here; `asked` is what the caller wanted, for messages; `where` names the
    host in them, and is empty for this machine; `group` is the ORIGO_GROUP it carries. `explain` is asked for a better
    error when it ended badly, with its status and what it printed: a carrier may fail where the command did not.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    asked: tuple[str, ...]
    group: str
    where: str = ""
    explain: Callable[[int, str], OrigoError | None] = field(default=lambda code, printed: None)


class Host(ABC):
    """One machine. Every method raises Unavailable when the machine cannot be reached.

    Processes carry the environment variable ORIGO_GROUP with the current job's group, so that they are found
    and ended even by another daemon than the one that started them.
    """

    name: str

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes = b"",
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """Run a short command to its end, at most `timeout` seconds.

        `user` runs it as that user, without groups or capabilities; `env` adds variables to a minimal environment
        (PATH, LC_ALL=C.UTF-8), never secrets: a process list shows them, so give those as `input`. Raises
        CommandFailed when it ends with another status than 0 and `check` is set, when it does not exist, or takes
        too long; Cancelled when the current job is cancelled meanwhile.
        """

    @abstractmethod
    def stream(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        input: bytes = b"",
        timeout: float = 24 * 3600,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Run a long command, niced, and hand over each line it prints (either output; `\\r` ends a line too) at once.

        Raises as `run` does with `check`; the error's details have the last lines.
        """

    @abstractmethod
    def pipe(
        self, argv: Sequence[str], target: "Host", target_argv: Sequence[str], *, timeout: float = 24 * 3600
    ) -> None:
        """Run `argv` here with its output as the input of `target_argv` on `target`; both must end with 0."""

    def command(
        self,
        argv: Sequence[str],
        *,
        niced: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Command:
        """The process of this machine to start for it, without starting it: how `pipe` joins two hosts."""
        raise Unsupported(f"cannot pipe to or from {self.name}: this kind of host has no commands")

    @abstractmethod
    def end(self, group: str) -> None:
        """End every process of that group and return when all are gone. An empty group is refused (ValueError)."""

    @abstractmethod
    def read(self, path: str, *, limit: int = 16 << 20) -> bytes:
        """A whole file of at most `limit` bytes. Raises NotFound, or TooLarge."""

    @abstractmethod
    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Replace a file atomically: after a crash there is the old or the new content, on disk, never a mixture.

        The new one is `.NAME.new` beside it until then; what a killed writer left there goes with the next write of the
        file, or with the file.
        """

    @abstractmethod
    def stat(self, path: str) -> FileFacts:
        """Facts of a file, links not followed. Raises NotFound."""

    @abstractmethod
    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted. Raises NotFound."""

    @abstractmethod
    def make_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Make a folder and those above it; one that exists gets the mode."""

    @abstractmethod
    def rename(self, path: str, target: str) -> None:
        """Rename within one file system, over `target` if there is one, durably. Raises NotFound."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder, also for after a power cut; one that is absent is fine."""

    @abstractmethod
    def protect(self, path: str, *, mode: int, user: str | None = None) -> None:
        """Set the permission bits of a file and, if named, its owner. Raises NotFound."""

    @abstractmethod
    def space(self, path: str) -> Space:
        """The room of the file system that holds `path`. Raises NotFound."""

    def exists(self, path: str) -> bool:
        """Whether there is anything at that path."""
        try:
            self.stat(path)
        except NotFound:
            return False
        return True
