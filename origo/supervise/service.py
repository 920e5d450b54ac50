"""One program, whatever runs it: its files, its record on disk, the process it is, and what is told of it."""

import contextlib
import json
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.errors import OrigoError, Unavailable, reason
from origo.host import daemons
from origo.supervise import files

PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before the first, second… revival of a program that does not stay."""
READY_WITHIN = 30.0
STEADY_AFTER = 1.0
"""A revived program that has worked for so long is well again."""
FORGIVEN_AFTER = 60.0
"""One that has worked for so long begins anew with the first pause when it dies."""
LOOK_EVERY = 60.0


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
    """What is noted on disk of one program, before and after it starts; `pid` 0 is "about to start", or systemd's."""

    digest: str = ""
    files: list[str] = field(default_factory=list)
    pid: int = 0
    started: int = 0
    boot: str = ""


class Service(ABC):
    """One program. `spec` is None as long as nobody in this daemon asked for it; it is then watched, not revived."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
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
        self.sentence = ""

    # -- what each form does in its own way

    @abstractmethod
    def recall(self) -> None:
        """Adopt the program if a former daemon left it running."""

    @abstractmethod
    def runs_as(self, spec: ServiceSpec) -> bool:
        """Whether what runs was started by such a spec."""

    @abstractmethod
    def start(self, spec: ServiceSpec) -> None:
        """Write its files, remove what is stale, start it and hold its process."""

    @abstractmethod
    def stop(self) -> None:
        """End it with all that it must not leave behind; one that does not run is fine."""

    @abstractmethod
    def last_words(self) -> str:
        """The last line that it printed since it was started."""

    @abstractmethod
    def died(self) -> list[str]:
        """Note that its process is gone; returns what is to be told."""

    @abstractmethod
    def failed_to_start(self) -> None:
        """Let it be tried again later."""

    # -- what is noted on disk

    @property
    def record_path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def note(self) -> None:
        files.replace(self.record_path, json.dumps(asdict(self.record)))

    def read_record(self) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            self.record = Record(**json.loads(self.record_path.read_bytes()))

    def forget(self) -> None:
        self.record_path.unlink(missing_ok=True)
        self.record, self.sentence, self.restarts, self.deaths = Record(), "", 0, 0

    @property
    def known(self) -> bool:
        return self.spec is not None or self.record != Record()

    # -- its process and its files

    def hold(self, daemon: daemons.Daemon) -> None:
        self.release()
        descriptor = daemons.open_process(daemon)
        self.daemon = daemon
        self.descriptor = -1 if descriptor is None else descriptor
        self.began = time.monotonic()
        self.since = time.time()

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.daemon, self.descriptor = None, -1

    @property
    def running(self) -> bool:
        return self.daemon is not None and daemons.alive(self.daemon)

    @property
    def ready(self) -> bool:
        return self.running and (self.spec is None or not self.spec.ready or Path(self.spec.ready).exists())

    def write_files(self, spec: ServiceSpec) -> bool:
        """Make its files as in the spec; says whether any was changed."""
        stale = [path for path in self.record.files if path not in spec.files]
        changed = {path: text for path, text in spec.files.items() if not files.holds(Path(path), text)}
        if set(self.record.files) != set(spec.files):
            self.record.files = sorted({*self.record.files, *spec.files})
            self.note()
        for path, text in changed.items():
            files.make_folder(Path(path).parent)
            files.replace(Path(path), text)
        for path in stale:
            Path(path).unlink(missing_ok=True)
        if stale:
            self.record.files = sorted(spec.files)
            self.note()
        return bool(changed or stale)

    # -- as it is to be

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
            if self.running and self.runs_as(spec):
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
                self.failed_to_start()
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
        return news

    def pause(self) -> float:
        """Count one more death, and say for how many seconds it is left alone."""
        self.deaths = 0 if time.monotonic() - self.began >= FORGIVEN_AFTER else self.deaths
        self.deaths += 1
        return PAUSES[min(self.deaths, len(PAUSES)) - 1]

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
        return 0.1 if self.sentence and self.running else LOOK_EVERY

    def state(self) -> ServiceState:
        daemon = self.daemon
        running = self.running
        return ServiceState(running, daemon.pid if daemon and running else 0, self.restarts, self.since, self.sentence)
