"""A person's terminal in which one of the engine's commands runs."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from typing import Any

from engine_world import ROOT, EngineWorld


class Terminal:
    """A pseudo-terminal with that command in it; `before` is the mode that it had."""

    def __init__(self, engine: EngineWorld, *words: str) -> None:
        self._ours, self._theirs = pty.openpty()
        self.before = self.mode()
        self.said = ""
        argv = [sys.executable, "-m", "origo", *words]
        self.process = subprocess.Popen(
            argv, cwd=ROOT, env=engine.environment, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def mode(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._theirs)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._ours, text.encode())

    def expect(self, text: str, seconds: float = 20) -> None:
        """Wait until that is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < deadline, f"no {text!r} on the screen: {self.said!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.said += os.read(self._ours, 65536).decode(errors="replace")
