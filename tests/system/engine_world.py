"""A whole engine on real drivers, as `appliance/try` runs it, driven by its own command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "appliance" / "stacks" / "hello"
READY_SECONDS = 60


class EngineWorld:
    """One engine with its home below `folder`, which guests' processes can pass; several lives, one after the other."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.chmod(0o711)
        self.home = folder / "home"
        names = {f"ORIGO_{name.upper()}": value for name, value in settings.items()}
        self.environment = {**os.environ, "ORIGO_HOME": str(self.home), **names}
        self.log = folder / "engine.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until everything is as the rows say."""
        with self.log.open("ab") as log:
            seen = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "origo", "serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        wait_for(lambda: b'"ready"' in self.log.read_bytes()[seen:], READY_SECONDS, self.said)

    def end(self, number: signal.Signals) -> None:
        """End it by that signal and wait until it is gone."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=90)
        self.process = None

    def close(self) -> None:
        """End it with its guests and programs, whatever state it is in."""
        if self.process is None:
            self.start()
        self.end(signal.SIGINT)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-4000:]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command as a person types it."""
        argv = [sys.executable, "-m", "origo", *words]
        return subprocess.run(argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300)

    def json(self, *words: str) -> Any:
        """What a command answers as JSON; a failure is the test's."""
        ended = self.run(*words, "--json")
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}{self.said()}"
        return json.loads(ended.stdout)

    def refused(self, *words: str) -> str:
        """The sentence with which a command fails."""
        ended = self.run(*words)
        assert ended.returncode == 1, f"{words}: {ended.stdout}{ended.stderr}"
        assert ended.stderr.startswith("cannot "), ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def page(self, server: str, path: str = "/") -> str:
        """A page of that server's guest, waited for while it boots."""
        address = self.json("servers", "show", server)["connections"][0]["address"]
        found: list[str] = []

        def answers() -> bool:
            with contextlib.suppress(OSError, urllib.error.URLError):
                found.append(fetch(f"http://{address}{path}"))
            return bool(found)

        wait_for(answers, 90, self.said)
        return found[0]

    def power(self, server: str) -> str:
        """What that server does, as the engine says."""
        return str(self.json("servers", "show", server)["power"])

    def pid(self, service: str) -> int:
        """The process of one of its programs."""
        return int(json.loads((self.home / "run" / "services" / f"{service}.json").read_text())["pid"])


def fetch(url: str) -> str:
    """The page at that address, within 5 seconds."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def wait_for(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str] = lambda: "") -> None:
    """Return once it is true; fail with what `otherwise` says when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s\n{otherwise()}"
        time.sleep(0.1)
