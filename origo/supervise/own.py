"""A program as a child of the daemon that outlives it: where no systemd runs the daemon."""

import os
import time
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.host import daemons
from origo.supervise import files
from origo.supervise.service import PAUSES, Service

LOG_BYTES = 4 << 20


class Child(Service):
    """One program in a session of its own; what it prints goes to `<folder>/<name>.log`."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, name)
        self.log = str(folder / f"{name}.log")
        self.mark = str(folder / name)
        self.log_start = 0

    def recall(self) -> None:
        """Adopt the program if a former daemon left it running; end every other one that is verifiably ours."""
        self.read_record()
        known = daemons.Daemon(self.record.pid, self.record.started, self.record.boot)
        if self.record.pid and daemons.alive(known):
            self.hold(known)
            return
        if self.record.pid:
            daemons.clear(known, log=self.log, mark=self.mark)
            return
        for stray in daemons.find(log=self.log, mark=self.mark):
            daemons.end(stray, log=self.log, mark=self.mark)

    def runs_as(self, spec: ServiceSpec) -> bool:
        return self.record.digest == files.digest(spec)

    def start(self, spec: ServiceSpec) -> None:
        self.write_files(spec)
        for path in (spec.ready, *spec.stale):
            if path:
                Path(path).unlink(missing_ok=True)
        self.record.digest, self.record.pid = files.digest(spec), 0
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

    def failed_to_start(self) -> None:
        self.due = time.monotonic() + PAUSES[0]

    def attend(self) -> list[str]:
        news = super().attend()
        self.bound_log(LOG_BYTES)
        return news

    def died(self) -> list[str]:
        daemon = self.daemon
        self.release()
        if not daemon or not self.spec:
            return []
        daemons.clear(daemon, log=self.log, mark=self.mark)
        pause = self.pause()
        self.since = time.time()
        self.due = time.monotonic() + pause
        self.sentence = (
            f"{self.name} {_manner(daemon)} and is started again in {pause:g} s. {self.last_words()}".strip()
        )
        return [self.sentence]

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


def _manner(daemon: daemons.Daemon) -> str:
    """How it ended, which only a parent is told."""
    code = daemon.child.poll() if daemon.child else None
    if code is None:
        return "ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
