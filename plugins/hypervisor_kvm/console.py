"""A domain's serial line as a stream of bytes."""

import contextlib
import threading
import time
from typing import Any

import libvirt

from origo.contracts import ConsoleStream
from origo.errors import Unavailable

WOULD_BLOCK = -2
CHUNK = 65536
KEPT_BYTES = 1 << 20
"""What is kept for a slow reader; a guest that prints more waits, as it would on a real line."""

SEND_SECONDS = 10
CLOSED = libvirt.VIR_STREAM_EVENT_HANGUP | libvirt.VIR_STREAM_EVENT_ERROR
ALL = libvirt.VIR_STREAM_EVENT_READABLE | CLOSED


class SerialStream(ConsoleStream):
    """What the guest prints is kept by libvirt's event thread; what is typed goes out at once."""

    def __init__(self, domain: Any) -> None:
        self._changed = threading.Condition()
        self._kept = bytearray()
        self._paused = False
        self._open = True
        self._stream = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, self._stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        self._stream.eventAddCallback(ALL, self._ready, None)

    def receive(self, timeout: float) -> bytes | None:
        """The next bytes; None after `timeout` seconds without any, b"" once the line is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._kept or not self._open, timeout)
            data = bytes(self._kept)
            self._kept.clear()
            resume, self._paused = self._paused and self._open, False
            if not data:
                return None if self._open else b""
        if resume:
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.eventUpdateCallback(ALL)
        return data

    def send(self, data: bytes) -> None:
        """Type these bytes. Raises Unavailable when the line is closed, or the guest takes nothing for long."""
        deadline = time.monotonic() + SEND_SECONDS
        while data:
            if not self._open or time.monotonic() > deadline:
                why = "the guest does not take it" if self._open else "the line is closed"
                raise Unavailable(f"cannot type into the console: {why}")
            try:
                sent = self._stream.send(data)
            except libvirt.libvirtError as error:
                raise Unavailable("cannot type into the console: the line is closed") from error
            if sent == WOULD_BLOCK:
                time.sleep(0.01)
            else:
                data, deadline = data[sent:], time.monotonic() + SEND_SECONDS

    def close(self) -> None:
        """Hang up; twice is fine."""
        if self._end():
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.abort()

    def _end(self) -> bool:
        with self._changed:
            was, self._open = self._open, False
            self._changed.notify_all()
        if was:
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.eventRemoveCallback()
        return was

    def _ready(self, _stream: Any, events: int, _opaque: Any) -> None:
        """In libvirt's event thread."""
        data: Any = b""
        if events & libvirt.VIR_STREAM_EVENT_READABLE:
            with contextlib.suppress(libvirt.libvirtError):
                data = self._stream.recv(CHUNK)
            if data == WOULD_BLOCK:
                return
        if not data:
            self._end()
            return
        with self._changed:
            self._kept += data
            self._paused = len(self._kept) > KEPT_BYTES
            paused = self._paused
            self._changed.notify_all()
        if paused:
            self._stream.eventUpdateCallback(CLOSED)
