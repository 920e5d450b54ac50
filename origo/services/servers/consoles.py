"""A server's serial line over a socket of its own: made for one caller, gone when either side hangs up."""

import contextlib
import secrets
import select
import socket
import threading
from pathlib import Path

from origo.contracts import ConsoleStream
from origo.errors import OrigoError, TooMany, Unavailable

ACCEPT_SECONDS = 30
MOST = 64

_open = threading.Semaphore(MOST)


def offer(stream: ConsoleStream, folder: str) -> str:
    """Let the next caller of a new socket in `folder` talk to `stream`; returns the socket's path.

    Only root reaches it. Without a caller within 30 seconds the line is closed. Raises TooMany.
    """
    if not _open.acquire(blocking=False):
        stream.close()
        raise TooMany(f"cannot open one more console: {MOST} are open", hint="close one of them")
    path = f"{folder}/{secrets.token_hex(8)}.sock"
    try:
        listener = _listen(path)
    except OSError as error:
        stream.close()
        _open.release()
        raise Unavailable(f"cannot open the console: {error.strerror}: {path}") from error
    threading.Thread(target=_serve, args=(stream, listener, path), name="console", daemon=True).start()
    return path


def _listen(path: str) -> socket.socket:
    Path(path).parent.mkdir(mode=0o700, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        Path(path).chmod(0o600)
        listener.listen(1)
        listener.settimeout(ACCEPT_SECONDS)
    except OSError:
        listener.close()
        raise
    return listener


def _serve(stream: ConsoleStream, listener: socket.socket, path: str) -> None:
    try:
        caller, _ = listener.accept()
    except TimeoutError:
        return
    else:
        with caller:
            reader = threading.Thread(target=_from_guest, args=(stream, caller), name="console-reader", daemon=True)
            reader.start()
            _to_guest(stream, caller)
            stream.close()
            reader.join(timeout=5)
    finally:
        listener.close()
        Path(path).unlink(missing_ok=True)
        stream.close()
        _open.release()


def _to_guest(stream: ConsoleStream, caller: socket.socket) -> None:
    while True:
        select.select([caller], [], [])
        try:
            data = caller.recv(4096)
            if not data:
                return
            stream.send(data)
        except (OSError, OrigoError):
            return


def _from_guest(stream: ConsoleStream, caller: socket.socket) -> None:
    while (data := stream.receive(1.0)) != b"":
        try:
            if data:
                caller.sendall(data)
        except OSError:
            return
    with contextlib.suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)
