"""The programs Origo needs on its machine: started, watched, revived, and found again running by the next daemon.

Two forms run them: systemd, where it also runs the daemon, and else the daemon itself.
"""

import contextlib
import functools
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from origo import log, notify
from origo.contracts import ServiceSpec
from origo.errors import OrigoError
from origo.host import Host
from origo.supervise import systemd
from origo.supervise.own import Child
from origo.supervise.service import LOOK_EVERY, Service, ServiceState
from origo.supervise.systemd import runs_us

__all__ = [
    "Form",
    "ServiceState",
    "Supervisor",
    "await_home",
    "await_machine",
    "choose",
    "machine_is_ending",
    "runs_us",
]

Form = Callable[[Path, str], Service]
"""What makes a service of its folder and name."""

BUSY_PAUSE = 0.05
AGAIN_PAUSE = 5.0

_log = log.get("supervise")


def choose(host: Host) -> Form:
    """The form for this daemon: units where the machine's systemd started this very process, else children."""
    return functools.partial(systemd.Unit, host=host) if runs_us() else Child


def await_home(host: Host, over: threading.Event) -> None:
    """Wait for the machine's file systems, where its systemd started this daemon before them; until `over` at most."""
    if runs_us():
        systemd.await_home(host, over, notify.starting)


def await_machine(host: Host, over: threading.Event) -> None:
    """Wait for what servers need of the machine, where its systemd started this daemon before; until `over` at most."""
    if runs_us():
        systemd.await_machine(host, over)


def machine_is_ending(host: Host) -> bool | None:
    """Whether this daemon is stopped because the machine goes down; None where systemd does not say."""
    return runs_us() and systemd.is_ending(host)


class Supervisor:
    """Keeps services running, in one form or the other; `folder` has what is to be remembered of them.

    `on_trouble(name, sentence)` is called from its own thread at each death, and with an empty sentence once the
    program works again. A daemon that starts with the folder of one that was killed finds the services running and
    keeps them; those that nobody asks for again are watched, shown by `states`, and left for `remove`.
    """

    def __init__(self, folder: str, on_trouble: Callable[[str, str], None], form: Form = Child) -> None:
        self.form = form
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.on_trouble = on_trouble
        self._lock = threading.Lock()
        self._services: dict[str, Service] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = False
        for path in sorted(self.folder.glob("*.json")):
            self._service(path.stem)
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def ensure(self, spec: ServiceSpec) -> None:
        """Let that program run as described; returns once it is ready. Nothing happens when nothing changed.

        Raises Unavailable when it does not start or get ready; it is then tried again until it is removed.
        """
        service = self._service(spec.name)
        with service.lock:
            if service.spec == spec and service.due is None and service.ready:
                return
            try:
                service.converge(spec)
            finally:
                self._nudge()

    def restart(self, name: str) -> None:
        """Let that program run anew as it is described; one that nobody asked for, or that does not run, is left alone.

        What it has open ends with it. Raises Unavailable as `ensure` does.
        """
        service = self._service(name)
        with service.lock:
            if service.spec is None or not service.running:
                return
            try:
                service.stop()
                service.converge(service.spec)
            finally:
                self._nudge()

    def remove(self, name: str) -> None:
        """End that program and remove its files; one that is absent is fine. Its log stays."""
        service = self._service(name)
        with service.lock:
            service.spec = None
            service.stop()
            for path in service.record.files:
                Path(path).unlink(missing_ok=True)
            service.forget()
        self._nudge()

    def states(self) -> dict[str, ServiceState]:
        """Every program there is, by name: those that were asked for, and those a former daemon left running."""
        with self._lock:
            services = dict(self._services)
        return {name: service.state() for name, service in sorted(services.items()) if service.known}

    def stop_all(self) -> None:
        """End all programs and stop watching; what they are to be stays noted, so nothing is left running."""
        self.leave()
        for service in reversed(list(self._services.values())):
            with service.lock:
                service.spec = None
                service.stop()

    def leave(self) -> None:
        """Stop watching and leave everything running, for the next daemon to find."""
        if self._closing:
            return
        self._closing = True
        self._nudge()
        self._thread.join()
        os.close(self._wake)

    # -- inside

    def _service(self, name: str) -> Service:
        with self._lock:
            if name not in self._services:
                service = self.form(self.folder, name)
                service.recall()
                self._services[name] = service
            return self._services[name]

    def _nudge(self) -> None:
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)

    def _watch(self) -> None:
        while not self._closing:
            with self._lock:
                services = list(self._services.values())
            pause = min((self._look(service) for service in services), default=LOOK_EVERY)
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            for descriptor in {service.descriptor for service in services} - {-1}:
                poll.register(descriptor, select.POLLIN)
            poll.poll(pause * 1000)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)

    def _look(self, service: Service) -> float:
        """Do what is due for one program; returns for how many seconds nothing will be, unless it dies."""
        if not service.lock.acquire(blocking=False):
            time.sleep(BUSY_PAUSE)
            return 0
        try:
            news = service.attend()
            pause = service.patience()
        except OrigoError as error:
            _log.warning("cannot look after a service", service=service.name, error=error.message)
            return AGAIN_PAUSE
        finally:
            service.lock.release()
        for sentence in news:
            self._tell(service.name, sentence)
        return pause

    def _tell(self, name: str, sentence: str) -> None:
        if sentence:
            _log.warning("service in trouble", service=name, sentence=sentence)
        else:
            _log.info("service works again", service=name)
        try:
            self.on_trouble(name, sentence)
        except Exception:
            _log.exception("trouble could not be reported", service=name)
