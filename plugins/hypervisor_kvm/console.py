"""A domain's serial line as a stream of bytes."""

import contextlib
import queue
import time
from typing import Any

import libvirt

from origo.contracts import ConsoleStream
from origo.errors import Unavailable

WOULD_BLOCK = -2
CHUNK = 65536


class SerialStream(ConsoleStream):
    """What the guest prints is queued by libvirt's event thread; what is typed goes out at once."""

    def __init__(self, connection: libvirt.virConnect, domain: libvirt.virDomain) -> None:
        self._came: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._open = True
        self._stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, self._stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        events = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_HANGUP | libvirt.VIR_STREAM_EVENT_ERROR
        self._stream.eventAddCallback(events, self._ready, None)

    def receive(self, timeout: float) -> bytes | None:
        """The next bytes; None after `timeout` seconds without any, b"" once the line is closed."""
        if not self._open and self._came.empty():
            return b""
        try:
            return self._came.get(timeout=timeout)
        except queue.Empty:
            return None if self._open else b""

    def send(self, data: bytes) -> None:
        """Type these bytes. Raises Unavailable when the line is closed."""
        while data:
            if not self._open:
                raise Unavailable("cannot type into the console: the line is closed")
            try:
                sent = self._stream.send(data)
            except libvirt.libvirtError as error:
                raise Unavailable("cannot type into the console: the line is closed") from error
            if sent == WOULD_BLOCK:
                time.sleep(0.01)
            else:
                data = data[sent:]

    def close(self) -> None:
        """Hang up; twice is fine."""
        if self._open:
            self._open = False
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.eventRemoveCallback()
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.abort()
        self._came.put(b"")

    def _ready(self, _stream: Any, events: int, _opaque: Any) -> None:
        if events & libvirt.VIR_STREAM_EVENT_READABLE:
            try:
                data = self._stream.recv(CHUNK)
            except libvirt.libvirtError:
                data = b""
            if data == WOULD_BLOCK:
                return
            if data:
                self._came.put(data)
                return
        self._open = False
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        self._came.put(b"")
