"""Programs that outlive this process: each in a session of its own, known again by pid, start time and boot."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from origo.errors import CommandFailed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "ORIGO_SERVICE"


@dataclass(frozen=True)
class Daemon:
    """One process, for as long as it lives; its number alone may be another's tomorrow."""

    pid: int
    started: int
    boot: str
    child: subprocess.Popen[bytes] | None = field(default=None, compare=False, repr=False)


def spawn(argv: Sequence[str], *, log: str, mark: str) -> Daemon:
    """Start a program detached: own session, working folder /, minimal environment, both outputs appended to `log`.

    `mark` stays in its environment, so that `find` knows it even if this process ends before it can note the pid.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", MARK: mark}
    try:
        with Path(log).open("ab") as output:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(f"cannot start {argv[0]}: {error.strerror}", details={"argv": list(argv)}) from error
    return Daemon(child.pid, _start_time(child.pid) or 0, boot(), child)


def boot() -> str:
    """The id of this machine's current boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def of(pid: int) -> Daemon | None:
    """The process that has that number now; None when there is none."""
    started = _start_time(pid)
    return Daemon(pid, started, boot()) if pid and started else None


def alive(daemon: Daemon) -> bool:
    """Whether that very process still runs; a child of ours that ended is reaped here."""
    if daemon.child and daemon.child.poll() is not None:
        return False
    return daemon.boot == boot() and daemon.started != 0 and _start_time(daemon.pid) == daemon.started


def open_process(daemon: Daemon) -> int | None:
    """A descriptor of that very process, readable once it ends; None when it has ended."""
    try:
        descriptor = os.pidfd_open(daemon.pid)
    except ProcessLookupError:
        return None
    if alive(daemon):
        return descriptor
    os.close(descriptor)
    return None


def send(daemon: Daemon, number: signal.Signals) -> None:
    """Signal that very process; one that has ended is fine."""
    descriptor = open_process(daemon)
    if descriptor is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
        os.close(descriptor)


def end(daemon: Daemon, *, log: str, mark: str, patience: float = 10) -> None:
    """End that process, by force after `patience` seconds, and what it left behind in its session; return when gone."""
    send(daemon, signal.SIGTERM)
    if not _wait(daemon, patience):
        send(daemon, signal.SIGKILL)
        _wait(daemon, patience)
    clear(daemon, log=log, mark=mark)


def clear(daemon: Daemon, *, log: str, mark: str) -> None:
    """End what a process that has ended left behind: marked members of its session, such as a server's workers."""
    left = [one for one in _processes() if _session(one) == daemon.pid != one and _ours(one, log, mark)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 2
    while any(_start_time(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.01)


def find(*, log: str, mark: str) -> list[Daemon]:
    """The leaders of sessions that run with that mark, or that write to that log."""
    leaders = [pid for pid in _processes() if _session(pid) == pid and _ours(pid, log, mark)]
    return [Daemon(pid, _start_time(pid) or 0, boot()) for pid in leaders]


def _wait(daemon: Daemon, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while alive(daemon):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on (state); empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _start_time(pid: int) -> int | None:
    """In clock ticks since boot; None when it does not run, which a zombie does not either."""
    fields = _fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _session(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[3]) if fields else 0


def _ours(pid: int, log: str, mark: str) -> bool:
    """Some programs overwrite their environment to show a title, so an open log tells as well."""
    folder = Path(f"/proc/{pid}")
    try:
        if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
            return True
        target = Path(log).resolve()
        return any(entry.readlink() == target for entry in (folder / "fd").iterdir())
    except OSError:
        return False
