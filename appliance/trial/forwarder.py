"""The machine's side of the front: loopback ports whose connections go on to the engine's unix sockets."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from origo.errors import Conflict

CHUNK = 1 << 16


@dataclass(frozen=True)
class Door:
    """One address and port of the machine, and the unix socket behind it."""

    address: str
    port: int
    target: Path


class Forwarder:
    """Forwards connections in a thread of its own, from `start` on until `close`."""

    def __init__(self, doors: list[Door]) -> None:
        self._sockets = _listen(doors)
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    def start(self) -> None:
        """Take connections."""
        self._thread.start()

    def close(self) -> None:
        """Take no more, and drop those that are open."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        for listener, _ in self._sockets:
            listener.close()

    def _run(self) -> None:
        # The runner cancels what is still open when the block is left.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        doors = [await asyncio.start_server(_handler(target), sock=listener) for listener, target in self._sockets]
        await self._closing.wait()
        for door in doors:
            door.close()


def _listen(doors: list[Door]) -> list[tuple[socket.socket, Path]]:
    """A listening socket for each door. Raises Conflict when one is taken."""
    found: list[tuple[socket.socket, Path]] = []
    for door in doors:
        family = socket.AF_INET6 if ":" in door.address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((door.address, door.port))
            listener.listen(128)
        except OSError as problem:
            for other, _ in [*found, (listener, door.target)]:
                other.close()
            raise Conflict(
                f"cannot listen on {door.address} port {door.port}: {problem.strerror}",
                hint="choose other ports with ORIGO_HTTP_PORT and ORIGO_HTTPS_PORT",
            ) from problem
        found.append((listener, door.target))
    return found


def _handler(target: Path) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    going_on: set[object] = set()  # asyncio itself forgets a connection's task once one of its sides is closed

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        going_on.add(task := asyncio.current_task())
        # One that ends as cancelled is told of by asyncio as if it were a fault.
        with contextlib.ExitStack() as ends, contextlib.suppress(OSError, asyncio.CancelledError):
            ends.callback(going_on.discard, task)
            ends.callback(writer.close)
            there, back = await asyncio.open_unix_connection(str(target))
            ends.callback(back.close)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back))
                both.create_task(_copy(there, writer))

    return handle


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Everything from one side to the other, then the news that there is no more."""
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:  # to end a side that has gone is ENOTCONN, which is no ConnectionError
        sink.close()
