"""One connection to a libvirt daemon that comes back by itself, and the events that come through it."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import libvirt

from origo import log
from origo.contracts import Power, StateEvent, Watch
from origo.errors import Unavailable

PREFIX = "origo-"
"""What the names of all our domains begin with."""

AGAIN_SECONDS = 1.0
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 3

_log = log.get("hypervisor_kvm")
_loop_lock = threading.Lock()
_loop: threading.Thread | None = None


class Connection:
    """To the daemon at `uri`. Calls may be made from any number of threads at once."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._open: libvirt.virConnect | None = None
        self._watchers: list[Callable[[StateEvent], None]] = []
        self._lost = threading.Event()
        self._keeper: threading.Thread | None = None
        self._closing = False

    def get(self) -> libvirt.virConnect:
        """The connection, opened anew where it was lost. Raises Unavailable with what libvirt says."""
        with self._lock:
            if self._open is None or not self._open.isAlive():
                self._open = self._connect()
            return self._open

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Hand over all events of our domains; after each reconnect one with an empty id."""
        with self._lock:
            self._watchers.append(on_event)
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="libvirt-keeper", daemon=True)
                self._keeper.start()
        with contextlib.suppress(Unavailable):
            self.get()

        def close() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._watchers.remove(on_event)

        return Watch(close)

    def close(self) -> None:
        """Close for good."""
        self._closing = True
        self._lost.set()
        with self._lock:
            if self._open is not None:
                with contextlib.suppress(libvirt.libvirtError):
                    self._open.close()
            self._open = None

    def _connect(self) -> libvirt.virConnect:
        _start_loop()
        try:
            opened = libvirt.open(self.uri)
            opened.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            opened.registerCloseCallback(self._closed, None)
            opened.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._happened, None)
        except libvirt.libvirtError as error:
            raise Unavailable(
                f"cannot reach libvirt at {self.uri}: {error.get_error_message()}",
                hint="see whether libvirtd runs: origo doctor",
            ) from error
        return opened

    def _closed(self, _connection: Any, _reason: int, _opaque: Any) -> None:
        self._lost.set()

    def _happened(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        """In libvirt's own thread: no call of libvirt may be made here."""
        if not domain.name().startswith(PREFIX):
            return
        change = state_event(domain.UUIDString(), event, detail)
        if change is not None:
            self._tell(change)

    def _tell(self, change: StateEvent) -> None:
        for on_event in list(self._watchers):
            on_event(change)

    def _keep(self) -> None:
        """Connect again as soon as the daemon is back, for whoever listens."""
        while True:
            self._lost.wait()
            if self._closing:
                return
            self._lost.clear()
            while not self._closing:
                try:
                    self.get()
                    break
                except Unavailable:
                    threading.Event().wait(AGAIN_SECONDS)
            _log.info("connected again", uri=self.uri)
            self._tell(StateEvent(""))


def state_event(id: str, event: int, detail: int) -> StateEvent | None:
    """What libvirt's life cycle event means; None for those that change nothing."""
    if event in (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_RESUMED):
        return StateEvent(id, Power.RUNNING)
    if event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED:
        held = detail == libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR
        return StateEvent(id, Power.PAUSED if held else Power.SUSPENDED, "disk error" if held else "")
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        if detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED:
            return StateEvent(id, Power.CRASHED, "crashed")
        own = detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN
        return StateEvent(id, Power.STOPPED, "shutdown" if own else "")
    if event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
        return StateEvent(id, Power.CRASHED, "crashed")
    return None


def power(state: int, reason: int) -> Power:
    """What libvirt's state means."""
    if state == libvirt.VIR_DOMAIN_PAUSED:
        return Power.PAUSED if reason == libvirt.VIR_DOMAIN_PAUSED_IOERROR else Power.SUSPENDED
    if state == libvirt.VIR_DOMAIN_CRASHED:
        return Power.CRASHED
    return Power.STOPPED if state in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_NOSTATE) else Power.RUNNING


def _start_loop() -> None:
    """libvirt's event loop must run before the first connection is opened."""
    global _loop  # noqa: PLW0603 - libvirt has one event loop for each process
    with _loop_lock:
        if _loop is None:
            libvirt.virEventRegisterDefaultImpl()
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            _loop = threading.Thread(target=_turn, name="libvirt-events", daemon=True)
            _loop.start()


def _turn() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
