"""The engine in a world of its own: started there, asked by its command line, shut down with its guests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from origo.errors import CommandFailed, Unavailable

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = ROOT / "appliance" / "private"
ORIGO = Path(sys.executable).with_name("origo")
START_SECONDS = 60
TAIL = 15


class World:
    """An engine that runs beside the machine, and touches it only through its home."""

    def __init__(self, home: Path, *, internet: bool) -> None:
        self.home = home
        self.internet = internet
        self.log = home / "log" / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the engine and return once it answers. Raises Unavailable with the end of its log when it does not."""
        egress = ["--egress"] if self.internet else ["--egress", "--own-only"]
        argv = [str(PRIVATE), *egress, "--keep", str(self.home / "machine"), "--"]
        argv += [str(ORIGO), "serve", "--home", str(self.home)]
        with self.log.open("ab") as log:
            # A session of its own: a Ctrl-C is the trial's, which then ends the engine in order; and if the trial is
            # killed, nothing of it is left running.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                cwd="/",
                env={"ORIGO_CACHE": str(self.home / "cache"), **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_answer()

    def answers(self) -> bool:
        """Whether the engine answers on its socket."""
        try:
            self.ask("engine", "show")
        except CommandFailed:
            return False
        return True

    def ask(self, *arguments: str) -> Any:
        """What a command of `origo` answers. Raises CommandFailed with what it said."""
        ended = subprocess.run(
            self._argv(*arguments, "--json"), env=self._environment(), capture_output=True, check=False
        )
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip()
            raise CommandFailed(said or f"cannot run origo {' '.join(arguments)}: it ended with {ended.returncode}")
        return json.loads(ended.stdout or b"null")

    def show(self, *arguments: str) -> None:
        """Run a command of `origo` whose progress the user sees. Raises CommandFailed when it fails."""
        ended = subprocess.run(self._argv(*arguments), env=self._environment(), stdout=subprocess.DEVNULL, check=False)
        if ended.returncode:
            raise CommandFailed(f"cannot go on: `origo {' '.join(arguments)}` failed", hint=f"its log is {self.log}")

    def follow(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command of `origo` that goes on before the user's eyes; a Ctrl-C is not for it."""
        return subprocess.Popen(
            self._argv(*arguments), env=self._environment(), stdin=subprocess.DEVNULL, start_new_session=True
        )

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises Unavailable as soon as the engine has ended by itself."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            raise Unavailable(
                f"cannot go on: the engine ended by itself\n{self._tail()}", hint=f"its log is {self.log}"
            )

    def shut_down(self) -> None:
        """Let the guests shut down and the engine end; returns when all of it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def kill(self) -> None:
        """End everything at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            self.wait(0.2)
            if time.monotonic() > deadline:
                raise Unavailable(f"cannot reach the engine after {START_SECONDS} seconds\n{self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join(f"    {line}" for line in lines)

    def _argv(self, *arguments: str) -> list[str]:
        return [str(ORIGO), *arguments]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("ORIGO_URL", "ORIGO_TOKEN")}
        return kept | {"ORIGO_HOME": str(self.home)}
