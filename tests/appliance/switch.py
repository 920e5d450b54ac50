"""A virtual switch: what one machine sends arrives at all the others, and nowhere else."""

import asyncio
import contextlib
import threading
from pathlib import Path

MOST_WAITING = 1 << 20


class Switch:
    """Frames go through a socket of the file system; no link, bridge or address of this machine has a part in it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._ports: set[asyncio.StreamWriter] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        if not self._up.wait(10):
            raise RuntimeError(f"cannot listen at {socket}")

    def card(self) -> str:
        """What QEMU is told to plug a card into this switch."""
        return f"stream,id=lan,server=off,addr.type=unix,addr.path={self.socket}"

    def close(self) -> None:
        """Unplug everything."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self.socket.unlink(missing_ok=True)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        async with await asyncio.start_unix_server(self._port, self.socket):
            self._up.set()
            await self._end.wait()

    async def _port(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each frame comes after its length; a port that does not take what it is sent loses frames, as on any wire."""
        self._ports.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                length = await reader.readexactly(4)
                frame = length + await reader.readexactly(int.from_bytes(length, "big"))
                for port in self._ports - {writer}:
                    if port.transport.get_write_buffer_size() < MOST_WAITING:
                        port.write(frame)
        self._ports.discard(writer)
        writer.close()
