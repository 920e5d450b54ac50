"""The outer end of the channel into a machine: a request is a line of JSON and its bytes, and so is its answer."""

import contextlib
import itertools
import json
import socket
import struct
import threading
from concurrent.futures import Future
from typing import Any, BinaryIO

Answer = tuple[dict[str, Any], bytes]


class Channel:
    """One boot's connection; requests may be made from several threads at once."""

    def __init__(self, connection: socket.socket) -> None:
        # A machine that no longer listens must not hold whoever speaks to it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 120, 0))
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._writing = threading.Lock()
        self._waiting: dict[int, Future[Answer]] = {}
        self._numbers = itertools.count(1)
        self.greeting: Future[Answer] = Future()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, header: dict[str, Any], payload: bytes, seconds: float) -> Answer:
        """Send a request and wait for its answer. Raises TimeoutError, or EOFError when the machine goes off."""
        number = next(self._numbers)
        future: Future[Answer] = Future()
        self._waiting[number] = future
        try:
            line = json.dumps({**header, "id": number, "size": len(payload)}).encode() + b"\n"
            with self._writing:
                self._connection.sendall(line + payload)
            return future.result(seconds)
        except OSError as problem:
            # A TimeoutError is an OSError as well.
            if isinstance(problem, TimeoutError):
                raise
            raise EOFError("the machine went off") from None
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """End the connection; whoever waits for an answer learns it."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while answer := _message(self._stream):
                number = answer[0].get("id")
                future = self.greeting if number is None else self._waiting.get(number)
                if future and not future.done():
                    future.set_result(answer)
        for future in [self.greeting, *self._waiting.values()]:
            if not future.done():
                future.set_exception(EOFError("the machine went off"))


def _message(stream: BinaryIO) -> Answer | None:
    """The next message, or None at the end of the connection."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    payload = stream.read(header["size"])
    return (header, payload) if len(payload) == header["size"] else None
