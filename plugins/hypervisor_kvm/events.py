"""Changes of state as libvirt tells them, over a connection of their own that comes back by itself."""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import libvirt
from origo_plugins.hypervisor_kvm import daemon, parse

from origo import log
from origo.contracts import StateEvent, Watch
from origo.errors import Unavailable

AGAIN_SECONDS = 0.5
SETTLE_SECONDS = 5.0
"""Once nothing has happened for so long after a reconnect, all states are asked for again: a daemon that has just come
back does not tell the end of every domain that ends while it takes over what runs."""

LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE

_log = log.get("hypervisor_kvm")


class Lost:
    """A connection is gone: told through the queue, so that what came before it is told before."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection


class Events:
    """One thread tells all watchers, in order; it connects again for as long as it takes."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._came: queue.SimpleQueue[StateEvent | Lost | None] = queue.SimpleQueue()
        self._watchers: list[Callable[[StateEvent], None]] = []
        # Held while watchers are told: who has closed a watch is never called again. A watcher may close itself.
        self._telling = threading.RLock()
        self._connection: Any = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Tell `on_event` from now on."""
        with self._telling:
            self._watchers.append(on_event)
            if self._thread is None:
                try:
                    self._connect()
                except Unavailable:
                    self._came.put(Lost(None))
                self._thread = threading.Thread(target=self._tell_all, name="libvirt-watch", daemon=True)
                self._thread.start()

        def close() -> None:
            with self._telling, contextlib.suppress(ValueError):
                self._watchers.remove(on_event)

        return Watch(close)

    def close(self) -> None:
        """Tell nobody any more."""
        with self._telling:
            self._watchers.clear()
        self._closed.set()
        self._came.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)
        self._disconnect()

    def _tell_all(self) -> None:
        settled: float | None = None
        while True:
            try:
                event = self._came.get(timeout=settled)
            except queue.Empty:
                settled = None
                self._tell(StateEvent(""))
                continue
            if event is None:
                return
            if not isinstance(event, Lost):
                self._tell(event)
            elif event.connection is self._connection:
                self._reconnect()
                self._tell(StateEvent(""))
                settled = SETTLE_SECONDS

    def _tell(self, event: StateEvent) -> None:
        with self._telling:
            for on_event in list(self._watchers):
                try:
                    on_event(event)
                except Exception:
                    _log.exception("cannot tell a watcher", server=event.id)

    def _connect(self) -> None:
        connection = daemon.connect(self.uri)
        try:
            connection.registerCloseCallback(self._lost, None)
            connection.domainEventRegisterAny(None, LIFECYCLE, self._happened, None)
        except libvirt.libvirtError as error:
            connection.close()
            raise Unavailable(f"cannot watch libvirt at {self.uri}: {error.get_error_message()}") from error
        if not connection.isAlive():
            # It was lost before anybody could be told.
            raise Unavailable(f"cannot watch libvirt at {self.uri}: the connection was closed")
        self._connection = connection

    def _reconnect(self) -> None:
        self._disconnect()
        while not self._closed.is_set():
            try:
                self._connect()
                _log.info("connected again", uri=self.uri)
                return
            except Unavailable:
                self._closed.wait(AGAIN_SECONDS)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError):
                connection.unregisterCloseCallback()
            with contextlib.suppress(libvirt.libvirtError):
                connection.close()

    def _lost(self, connection: Any, _reason: int, _opaque: Any) -> None:
        self._came.put(Lost(connection))

    def _happened(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        # In the event loop's thread, where no call of libvirt may be made: name and id are in the object itself.
        if parse.is_ours(domain):
            change = parse.change(domain.UUIDString(), event, detail)
            if change is not None:
                self._came.put(change)
