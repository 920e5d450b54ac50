"""The HTTP server: cheroot on a unix socket, with few and small threads."""

import os
import select
import socket
import threading
from pathlib import Path
from typing import Any

import pydantic_core
from cheroot import server as cheroot
from cheroot import wsgi

from origo import log
from origo.errors import BadInput, OrigoError, TooLarge
from origo.web import answers, reading

STACK_BYTES = 1 << 20
"""A thread's stack: the default of 8 MB for each of 128 is address space for nothing."""
FINISH_SECONDS = 35
"""How long requests in flight may take when the server stops: a little more than the longest wait."""

_log = log.get("web")


class Request(cheroot.HTTPRequest):
    """A request whose own errors, before the application sees it, have the one shape too."""

    def simple_response(self, status: str | int, msg: str = "") -> None:
        """Answer without the application."""
        number, _, reason = str(status).partition(" ")
        if number == "100":
            super().simple_response(status, msg)
            return
        self.close_connection = True
        problem: OrigoError = BadInput(f"cannot read the request: {reason.lower() or 'it is malformed'}")
        if number == "413":
            problem = TooLarge(f"cannot take a body of more than {reading.BODY_LIMIT >> 20} MB")
        body = pydantic_core.to_json({"error": problem.as_dict()})
        lines = [f"{self.server.protocol} {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in answers.SECURITY.items()] + ["Connection: close", "", ""]
        self.conn.wfile.write("\r\n".join(lines).encode("latin-1") + body)


class Connection(cheroot.HTTPConnection):
    """A connection with our requests."""

    RequestHandlerClass = Request


class Gateway(wsgi.Gateway_10):
    """What the application is told of a request: also, by `origo.gone`, whether its client has hung up."""

    def __init__(self, req: cheroot.HTTPRequest) -> None:
        super().__init__(req)
        self.env["origo.gone"] = self._gone

    def _gone(self) -> bool:
        line = self.req.conn.socket
        poll = select.poll()
        poll.register(line, select.POLLIN)
        try:
            return bool(poll.poll(0)) and not line.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


class UnixServer(wsgi.Server):
    """Serves one WSGI application on one unix socket that only its owner and `group` may use."""

    ConnectionClass = Connection
    max_request_body_size = reading.BODY_LIMIT

    def __init__(self, path: Path, application: Any, threads: int, group: int | None = None) -> None:
        self.path = path
        self.group = group
        super().__init__(
            str(path),
            application,
            numthreads=threads,
            server_name="origo",
            request_queue_size=256,
            timeout=30,
            shutdown_timeout=FINISH_SECONDS,
        )
        self.gateway = Gateway

    def begin(self) -> None:
        """Listen, and serve from a thread of its own."""
        before = threading.stack_size(STACK_BYTES)
        try:
            self.prepare()
            threading.Thread(target=self.serve, name=self.path.name, daemon=True).start()
        finally:
            threading.stack_size(before)

    def answers(self, address: str, seconds: float) -> bool:
        """Whether a real request for that address is answered within that time, and not by a failure."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(seconds)
            try:
                line.connect(str(self.path))
                line.sendall(f"GET {address} HTTP/1.0\r\n\r\n".encode())
                return line.recv(12)[9:10] in (b"2", b"4")
            except OSError:
                return False

    def end(self) -> None:
        """Take no more, let the requests in flight finish, and remove the socket."""
        self.stop()
        self.path.unlink(missing_ok=True)

    def bind_unix_socket(self, bind_addr: str) -> socket.socket:
        """Make the socket under another name first, so that there is never one that everybody may use."""
        new = f"{bind_addr}.new"
        Path(new).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The mode of the socket before bind() is what its file gets, less the umask.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(new)
        if self.group is not None:
            os.chown(new, -1, self.group)
            Path(new).chmod(0o660)
        Path(new).replace(bind_addr)
        self.socket = listening
        return listening

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Errors of connections go to the log; a client that went away is none."""
        if level >= 40 or traceback:
            _log.error("connection failed", sentence=msg, exc_info=traceback)
