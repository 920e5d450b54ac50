"""One program: its files, its record on disk, the process that runs, and what is done when that dies."""

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.errors import OrigoError, Unavailable, reason
from origo.host import daemons

PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before the first, second… revival of a program that does not stay."""
READY_WITHIN = 30.0
STEADY_AFTER = 1.0
"""A revived program that has worked for so long is well again."""
FORGIVEN_AFTER = 60.0
"""One that has worked for so long begins anew with the first pause when it dies."""
LOG_BYTES = 4 << 20
LOG_CHECK_EVERY = 60.0


@dataclass(frozen=True)
class ServiceState:
    """How one program is: `since` is when it was started or died, `sentence` what is wrong with it, or empty."""

    running: bool
    pid: int
    restarts: int
    since: float
    sentence: str


@dataclass
class Record:
    """What is noted on disk of one program, before and after it starts; `pid` 0 is "about to start"."""

    digest: str = ""
    files: list[str] = field(default_factory=list)
    pid: int = 0
    started: int = 0
    boot: str = ""


class Service:
    """One program. `spec` is None as long as nobody in this daemon asked for it; it is then watched, not revived."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.log = str(folder / f"{name}.log")
        self.mark = str(folder / name)
        self.lock = threading.RLock()
        self.spec: ServiceSpec | None = None
        self.record = Record()
        self.daemon: daemons.Daemon | None = None
        self.descriptor = -1
        self.due: float | None = None
        self.deaths = 0
        self.restarts = 0
        self.since = time.time()
        self.began = time.monotonic()
        self.log_start = 0
        self.sentence = ""

    # -- what is noted on disk

    @property
    def record_path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def note(self) -> None:
        _replace(self.record_path, json.dumps(asdict(self.record)))

    def forget(self) -> None:
        self.record_path.unlink(missing_ok=True)
        self.record, self.sentence, self.restarts, self.deaths = Record(), "", 0, 0

    @property
    def known(self) -> bool:
        return self.spec is not None or self.record != Record()

    def recall(self) -> None:
        """Adopt the program if a former daemon left it running; end every other one that is verifiably ours."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            self.record = Record(**json.loads(self.record_path.read_bytes()))
        known = daemons.Daemon(self.record.pid, self.record.started, self.record.boot)
        if self.record.pid and daemons.alive(known):
            self.hold(known)
            return
        if self.record.pid:
            daemons.clear(known, log=self.log, mark=self.mark)
            return
        for stray in daemons.find(log=self.log, mark=self.mark):
            daemons.end(stray, log=self.log, mark=self.mark)

    def hold(self, daemon: daemons.Daemon) -> None:
        descriptor = daemons.open_process(daemon)
        self.daemon = daemon
        self.descriptor = -1 if descriptor is None else descriptor
        self.began = time.monotonic()
        self.since = time.time()

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.daemon, self.descriptor = None, -1

    # -- files

    def write_files(self, spec: ServiceSpec) -> bool:
        """Make its files as in the spec; says whether any was changed."""
        stale = [path for path in self.record.files if path not in spec.files]
        changed = {path: text for path, text in spec.files.items() if not _holds(Path(path), text)}
        if set(self.record.files) != set(spec.files):
            self.record.files = sorted({*self.record.files, *spec.files})
            self.note()
        for path, text in changed.items():
            _make_folder(Path(path).parent)
            _replace(Path(path), text)
        for path in stale:
            Path(path).unlink(missing_ok=True)
        if stale:
            self.record.files = sorted(spec.files)
            self.note()
        return bool(changed or stale)

    def bound_log(self, limit: int) -> None:
        """Keep the last full part of the log beside an emptied one; programs append, so they need not be told."""
        path = Path(self.log)
        if path.exists() and path.stat().st_size > limit:
            with path.open("rb") as source, path.with_suffix(".log.1").open("wb") as target:
                source.seek(-limit, os.SEEK_END)
                target.write(source.read(limit))
            os.truncate(path, 0)
            self.log_start = 0

    def last_words(self) -> str:
        try:
            text = Path(self.log).read_bytes()[self.log_start :].decode(errors="replace")
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(text.splitlines()) if line.strip()), "")

    # -- the program

    @property
    def running(self) -> bool:
        return self.daemon is not None and daemons.alive(self.daemon)

    @property
    def ready(self) -> bool:
        return self.running and (self.spec is None or not self.spec.ready or Path(self.spec.ready).exists())

    def start(self, spec: ServiceSpec) -> None:
        self.write_files(spec)
        for path in (spec.ready, *spec.stale):
            if path:
                Path(path).unlink(missing_ok=True)
        self.record.digest, self.record.pid = _digest(spec), 0
        self.note()
        self.bound_log(LOG_BYTES)
        self.log_start = Path(self.log).stat().st_size if Path(self.log).exists() else 0
        daemon = daemons.spawn(spec.argv, log=self.log, mark=self.mark)
        self.record.pid, self.record.started, self.record.boot = daemon.pid, daemon.started, daemon.boot
        self.note()
        self.due = None
        self.hold(daemon)

    def stop(self) -> None:
        if self.daemon:
            daemons.end(self.daemon, log=self.log, mark=self.mark)
        self.due = None
        self.release()

    def wait_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.ready:
            if not self.running:
                raise Unavailable(f"cannot start {self.name}: {self.last_words() or 'it ended at once'}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"cannot start {self.name}: it runs, but {self.spec and self.spec.ready} did not appear"
                )
            time.sleep(0.005)

    def converge(self, spec: ServiceSpec) -> None:
        """Run it as described and wait until it is ready; what does not start is tried again later."""
        self.spec = spec
        try:
            if self.running and self.record.digest == _digest(spec):
                self.wait_ready(READY_WITHIN)
                if self.write_files(spec) and self.daemon:
                    daemons.send(self.daemon, signal.SIGHUP)
            else:
                self.stop()
                self.start(spec)
                self.wait_ready(READY_WITHIN)
                self.deaths, self.sentence = 0, ""
        except (OrigoError, OSError) as error:
            self.sentence = self.why_not(error)
            if not self.running:
                self.release()
                self.due = time.monotonic() + PAUSES[0]
            raise

    # -- watching

    def attend(self) -> list[str]:
        """Notice a death, revive what is due, notice that it is well again; returns what is to be told."""
        news = []
        if self.daemon and not self.running:
            news += self.died()
        if self.spec and self.due is not None and time.monotonic() >= self.due:
            news += self.revive(self.spec)
        if self.sentence and self.ready and time.monotonic() - self.began >= STEADY_AFTER:
            self.sentence = ""
            news.append("")
        self.bound_log(LOG_BYTES)
        return news

    def died(self) -> list[str]:
        daemon, lived = self.daemon, time.monotonic() - self.began
        self.release()
        if not daemon or not self.spec:
            return []
        daemons.clear(daemon, log=self.log, mark=self.mark)
        self.since = time.time()
        self.deaths = 0 if lived >= FORGIVEN_AFTER else self.deaths
        pause = PAUSES[min(self.deaths, len(PAUSES) - 1)]
        self.deaths += 1
        self.due = time.monotonic() + pause
        self.sentence = (
            f"{self.name} {_manner(daemon)} and is started again in {pause:g} s. {self.last_words()}".strip()
        )
        return [self.sentence]

    def revive(self, spec: ServiceSpec) -> list[str]:
        self.restarts += 1
        try:
            self.start(spec)
        except (OrigoError, OSError) as error:
            self.due = time.monotonic() + PAUSES[-1]
            self.sentence = f"{self.why_not(error)}; tried again in {PAUSES[-1]:g} s"
            return [self.sentence]
        return []

    def why_not(self, error: OrigoError | OSError) -> str:
        return error.message if isinstance(error, OrigoError) else f"cannot start {self.name}: {reason(error)}"

    def patience(self) -> float:
        """For how many seconds there is nothing to do, unless it dies."""
        if self.due is not None and self.spec:
            return max(0.0, self.due - time.monotonic())
        return 0.1 if self.sentence and self.running else LOG_CHECK_EVERY

    def state(self) -> ServiceState:
        daemon = self.daemon
        running = self.running
        return ServiceState(running, daemon.pid if daemon and running else 0, self.restarts, self.since, self.sentence)


def _manner(daemon: daemons.Daemon) -> str:
    """How it ended, which only a parent is told."""
    code = daemon.child.returncode if daemon.child else None
    if code is None:
        return "ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


def _digest(spec: ServiceSpec) -> str:
    return hashlib.sha256(json.dumps([spec.argv, spec.ready]).encode()).hexdigest()


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except OSError:
        return False


def _replace(path: Path, text: str) -> None:
    """Atomically, but not synced: after a power cut all of it is made again. Programs read it as their own users."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o644)
    new.replace(path)


def _make_folder(path: Path) -> None:
    """With those above it, open to the users that programs run as, whatever the daemon's umask is."""
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
