"""A program as a transient unit of systemd, which revives it also while no daemon of ours runs."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from origo.contracts import ServiceSpec
from origo.errors import CommandFailed, OrigoError, Unavailable
from origo.host import Host, daemons
from origo.supervise import files
from origo.supervise.service import FORGIVEN_AFTER, PAUSES, Service

SEARCH_EVERY = 1.0
"""How often systemd is asked for a program that it is about to start again; one that runs is watched by its process."""
STOP_SECONDS = 10
SHOWN = ("ActiveState", "MainPID", "NRestarts", "ExecMainCode", "ExecMainStatus", "Environment", "InvocationID")
EXITED = 1
"""The code of a process that ended by itself; all others are of those that a signal ended."""
HOME = "origo-home.target"
MACHINE = "origo-machine.service"
LOOK_SECONDS = 5.0
"""How long a stop of the daemon may have to wait for the wait for one of these."""
ENDING_SECONDS = (10, 30)
"""How long systemd may take to say whether the machine is going down, at first and when it is asked once more."""
GENERAL = (
    "Restart=always",
    f"RestartSec={PAUSES[0]}",
    "StartLimitIntervalSec=0",
    f"TimeoutStopSec={STOP_SECONDS}",
    # At the machine's shutdown they stop after the daemon, which needs them until its guests are down.
    "Before=origo.service",
    "LimitNOFILE=65536",
)
BACKOFF = (f"RestartSteps={len(PAUSES) - 1}", f"RestartMaxDelaySec={PAUSES[-1]}")
BACKOFF_SINCE = 254
"""The version of systemd that knows a pause which grows; an older one always waits for the first."""
# What needs no mount namespace, so that no program ever holds a pool that is to be given back.
HARDENED = (
    "OOMScoreAdjust=-500",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap",
    "SystemCallErrorNumber=EPERM",
    # To take ports and addresses, to become their own user, and to end those that did. Of several such properties
    # systemd-run obeys the last alone.
    "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_CHOWN CAP_SETGID CAP_SETUID CAP_KILL",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "MemoryDenyWriteExecute=yes",
    "KeyringMode=private",
    "DevicePolicy=closed",
)


def runs_us() -> bool:
    """Whether this very process is a service that the machine's systemd started, not somebody below one."""
    return Path("/run/systemd/system").is_dir() and os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def await_home(host: Host, over: threading.Event, meanwhile: Callable[[], object]) -> None:
    """Wait until all file systems are mounted, or until `over`; `meanwhile` is called every few seconds."""
    while not over.is_set() and (status := _start(host, HOME)) != 0:
        if status is None:
            meanwhile()
        over.wait(1)


def await_machine(host: Host, over: threading.Event) -> None:
    """Wait until systemd has started all that servers need, or could not, or until `over`: no server is waited for."""
    while not over.is_set() and _start(host, MACHINE) is None:
        over.wait(1)


def _start(host: Host, unit: str) -> int | None:
    """How systemctl ended that starts this unit; None where that lasts longer."""
    with contextlib.suppress(CommandFailed):
        return host.run(["systemctl", "start", unit], check=False, timeout=LOOK_SECONDS).code
    return None


def is_ending(host: Host) -> bool | None:
    """Whether the machine goes down, for which systemd stops everything; None where it, asked twice, does not say."""
    for seconds in ENDING_SECONDS:
        with contextlib.suppress(CommandFailed):
            said = host.run(["systemctl", "is-system-running"], check=False, timeout=seconds).text.strip()
            if said not in ("", "unknown"):
                return said == "stopping"
    return None


class Unit(Service):
    """One program as `origo-<name>.service`; what it prints is in the journal."""

    def __init__(self, folder: Path, name: str, host: Host) -> None:
        super().__init__(folder, name)
        self.host = host
        self.unit = f"origo-{name}.service"
        self.shown: dict[str, str] = {}

    def recall(self) -> None:
        self.read_record()
        self.look()

    def runs_as(self, spec: ServiceSpec) -> bool:
        return self.shown["Environment"].split().count(_mark(spec)) == 1

    def start(self, spec: ServiceSpec) -> None:
        self.write_files(spec)
        self.record.digest = files.digest(spec)
        self.note()
        self.due = None
        try:
            self.host.run(_command(self.unit, spec, self._version()), timeout=STOP_SECONDS + 20)
        except OrigoError as error:
            raise Unavailable(f"cannot start {spec.argv[0]}: {error.message}") from error
        self.look()

    def stop(self) -> None:
        self.host.run(["systemctl", "stop", self.unit], check=False, timeout=STOP_SECONDS + 20)
        self.due = None
        self.release()

    def failed_to_start(self) -> None:
        """It is systemd that tries again, unless it did not even take the unit."""
        self.look()

    def look(self) -> None:
        """Ask systemd for its process; where there is no such unit any more, it is to be started again."""
        text = self.host.run(["systemctl", "show", self.unit, f"--property={','.join(SHOWN)}"], timeout=20).text
        before = int(self.shown.get("NRestarts", 0))
        self.shown = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        self.restarts += max(0, int(self.shown["NRestarts"]) - before)
        found = daemons.of(int(self.shown["MainPID"]))
        if found:
            self.hold(found)
        elif self.spec and self.shown["ActiveState"] not in ("active", "activating", "deactivating", "reloading"):
            self.due = self.due or time.monotonic() + self.pause()

    def attend(self) -> list[str]:
        news = self.search() if self.spec and not self.daemon and self.due is None else []
        news += super().attend()
        if self.deaths and self.ready and time.monotonic() - self.began >= FORGIVEN_AFTER:
            self.deaths = 0
            self.host.run(["systemctl", "reset-failed", self.unit], check=False, timeout=20)
        return news

    def search(self) -> list[str]:
        """Find the process that systemd has started meanwhile; one that ended again meanwhile is told of."""
        before = self.restarts
        self.look()
        return [] if self.daemon or self.restarts == before else [self._tell(self.last_words())]

    def patience(self) -> float:
        pause = super().patience()
        searching = self.spec and not self.daemon and self.due is None
        return min(pause, SEARCH_EVERY) if searching else pause

    def died(self) -> list[str]:
        self.release()
        if not self.spec:
            return []
        words = self.last_words()
        self.look()
        return [self._tell(words)]

    def last_words(self) -> str:
        if not (invocation := self.shown.get("InvocationID")):
            return ""
        self.host.run(["journalctl", "--sync"], check=False, timeout=20)
        told = ["journalctl", "--quiet", "--output=cat", "--lines=5", f"_SYSTEMD_INVOCATION_ID={invocation}"]
        lines = self.host.run(told, check=False, timeout=20).text.splitlines()
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _tell(self, words: str) -> str:
        self.deaths += 1
        self.since = time.time()
        self.sentence = f"{self.name} {self._manner()} and is started again. {words}".strip()
        return self.sentence

    def _manner(self) -> str:
        """How it ended, which systemd tells until it has started it again."""
        status = self.shown["ExecMainStatus"]
        if self.daemon or self.shown["ExecMainCode"] == "0":
            return "ended"
        ended = self.shown["ExecMainCode"] == str(EXITED)
        return f"ended with status {status}" if ended else f"was killed by signal {status}"

    def _version(self) -> int:
        found = re.search(r"\d+", self.host.run(["systemctl", "--version"], timeout=20).text)
        return int(found.group()) if found else 0


def _command(unit: str, spec: ServiceSpec, version: int) -> list[str]:
    """What makes systemd run it; `--collect` lets the unit go once it is stopped."""
    words = ["systemd-run", "--quiet", "--collect", "--service-type=exec", "--slice=origo.slice", f"--unit={unit}"]
    words += [f"--description=Origo: {spec.name}", f"--setenv=PATH={daemons.PATH}", "--setenv=LC_ALL=C.UTF-8"]
    words.append(f"--setenv={_mark(spec)}")
    properties = [*GENERAL, *(BACKOFF if version >= BACKOFF_SINCE else ())]
    properties += ("KillMode=process",) if spec.children_stay else HARDENED
    if paths := [path for path in (spec.ready, *spec.stale) if path]:
        properties.append(f"ExecStartPre=-rm -f -- {' '.join(_quoted(path) for path in paths)}")
    words += [f"--property={one}" for one in properties]
    # A dollar sign would begin the name of a variable.
    return [*words, "--", *(word.replace("$", "$$") for word in spec.argv)]


def _mark(spec: ServiceSpec) -> str:
    return f"{daemons.MARK}={files.digest(spec)}"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
