"""An engine under measure: `origo serve` as a process of its own, asked over its unix socket."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from origo.supervise import Supervisor

ORIGO = Path(sys.executable).with_name("origo")
FAKES = Path(__file__).with_name("fakes")
FAKE = {"hypervisor": "fake", "network": "fake"}
"""Settings with which an engine drives nothing but files."""


class Refused(Exception):
    """The engine answered with an error."""


class OverUnix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Engine:
    """One engine in `home`; settings are given by name."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        self.home = home
        self.socket = home / "run" / "api.sock"
        self.log = home.with_name(f"{home.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {f"ORIGO_{name.upper()}": value for name, value in settings.items()}

    def start(self, path: str = "/engine", seconds: float = 60) -> float:
        """Start it; the seconds until it answers a request for `path`."""
        began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [ORIGO, "serve", "--home", self.home],
                env={**os.environ, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - began < seconds:
            try:
                self.ask("GET", path)
                return time.monotonic() - began
            except OSError:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                time.sleep(0.01)
        raise TimeoutError(f"the engine does not answer: {self.log.read_text()[-3000:]}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What it answers."""
        connection = OverUnix(self.socket)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answered = response.read()
        found = json.loads(answered) if answered else None
        if response.status >= 400:
            raise Refused(f"{method} {path}: {found}")
        return found

    def do(self, method: str, path: str, body: Any = None, seconds: float = 170) -> dict[str, Any]:
        """Ask for a change and wait until it is done."""
        operation: dict[str, Any] = self.ask(method, f"{path}?wait=30", body)
        end = time.monotonic() + seconds
        while operation["status"] not in ("done", "undone", "stuck") and time.monotonic() < end:
            time.sleep(0.1)
            operation = self.ask("GET", f"/operations/{operation['id']}")
        if operation["status"] != "done":
            raise Refused(f"{method} {path}: {operation}")
        return operation

    def wait_settled(self, seconds: float = 60) -> None:
        """Return once it has done what it does after a start."""
        end = time.monotonic() + seconds
        while '"ready"' not in self.log.read_text():
            if time.monotonic() > end:
                raise TimeoutError(f"the engine is not ready: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self.process is not None
        return self.process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> None:
        """End it: SIGINT takes the guests and programs along, SIGKILL is a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder on a real disk, which services' users can pass through, removed at the end."""
    made = Path(tempfile.mkdtemp(prefix=f"origo-bench-{name}-", dir="/var/tmp"))  # noqa: S108 - a real disk is meant
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def engine(home: Path, **settings: str) -> Iterator[Engine]:
    """An engine that is ended with its guests and programs at the end; one whose guests are files is killed before."""
    made = Engine(home, settings)
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL if settings.get("hypervisor") == "fake" else signal.SIGINT)
        Supervisor(str(home / "run" / "services"), lambda name, sentence: None).stop_all()


def fakes(base: Path) -> dict[str, str]:
    """Settings of an engine that drives nothing but files; what it loads for that is put below `base`."""
    plugins = base / "plugins"
    if not plugins.exists():
        shutil.copytree(FAKES, plugins / "fakes", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (plugins, *plugins.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    return {**FAKE, "plugin_folder": str(plugins)}
