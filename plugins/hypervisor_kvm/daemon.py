"""The libvirt daemon as something to call: connections that come back by themselves, for quick and for slow calls."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import libvirt
from origo_plugins.hypervisor_kvm import event_loop

from origo.errors import Unavailable

SLOW_CALLS = 12
"""Slow calls at once, each on a connection of its own: a daemon serves one client five calls and all clients twenty."""

PATIENCE_SECONDS = 8.0
"""How long a call waits for a daemon that answered a moment ago: about as long as one takes to restart."""

AGAIN_SECONDS = 0.1
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 3

Answer = TypeVar("Answer")


def connect(uri: str) -> Any:
    """A new connection that notices when the other side is gone. Raises Unavailable with what libvirt says."""
    event_loop.start()
    try:
        connection = libvirt.open(uri)
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        raise Unavailable(
            f"cannot reach libvirt at {uri}: {error.get_error_message()}",
            hint="see whether libvirtd runs: origo doctor",
        ) from error
    return connection


class Daemon:
    """The daemon at `uri`, called from any number of threads at once."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._quick: Any = None
        self._idle: list[Any] = []
        self._slow = threading.BoundedSemaphore(SLOW_CALLS)
        self._opening = threading.Lock()
        self._answered = False
        self._closed = False

    def call(self, work: Callable[[Any], Answer], *, slow: bool = False) -> Answer:
        """Do `work` with a connection; once more with a new one if it broke. Raises Unavailable, and libvirtError.

        Everything we ask of libvirt may be asked twice, so what was cut off half way is simply asked again.
        """
        with self._slow if slow else contextlib.nullcontext():
            try:
                with self._taken(slow) as connection:
                    return work(connection)
            except libvirt.libvirtError:
                if connection.isAlive():
                    raise
            with self._taken(slow) as connection:
                return work(connection)

    def close(self) -> None:
        """Close all connections, for good."""
        with self._lock:
            self._closed = True
            opened = [*self._idle, *([self._quick] if self._quick else [])]
            self._idle, self._quick = [], None
        for connection in opened:
            _hang_up(connection)

    @contextlib.contextmanager
    def _taken(self, slow: bool) -> Iterator[Any]:
        if not slow:
            yield self._get_quick()
            return
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None or not connection.isAlive():
            connection = self._open()
        try:
            yield connection
        finally:
            with self._lock:
                keep = not self._closed and connection.isAlive()
                if keep:
                    self._idle.append(connection)
            if not keep:
                _hang_up(connection)

    def _get_quick(self) -> Any:
        with self._opening:
            if self._quick is None or not self._quick.isAlive():
                connection = self._open()
                with self._lock:
                    if self._closed:
                        _hang_up(connection)
                        raise Unavailable(f"cannot reach libvirt at {self.uri}: the engine is stopping")
                    self._quick = connection
            return self._quick

    def _open(self) -> Any:
        deadline = time.monotonic() + (PATIENCE_SECONDS if self._answered else 0)
        while True:
            try:
                connection = connect(self.uri)
                self._answered = True
                return connection
            except Unavailable:
                if self._closed or time.monotonic() > deadline:
                    self._answered = False
                    raise
            time.sleep(AGAIN_SECONDS)


def _hang_up(connection: Any) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()
