"""What systemd is told of the daemon, where it wants to know: ready, how it is, that it is alive, that it stops."""

import os
import socket
import threading
from collections.abc import Callable, Mapping

from origo import log

START_SECONDS = 900
"""How long a start may take after the file systems are there, as the unit says too."""
PATS = 4
"""How often in the time after which systemd takes the daemon for hung it is told that it is not."""

_log = log.get("notify")


def tell(*lines: str) -> bool:
    """Send lines such as `READY=1`; whether somebody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        try:
            line.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
    return True


def starting() -> None:
    """It waits for the machine's file systems, however long they take."""
    tell("STATUS=waiting for the machine's file systems", f"EXTEND_TIMEOUT_USEC={int(START_SECONDS * 1e6)}")


def ready(sentence: str) -> None:
    """The API answers."""
    tell("READY=1", f"STATUS={sentence}")


def status(sentence: str) -> None:
    """How it is, as `systemctl status` shows it."""
    tell(f"STATUS={sentence}")


def stopping(sentence: str, seconds: float) -> None:
    """It stops, and takes at most so many seconds for that."""
    tell("STOPPING=1", f"STATUS={sentence}", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")


def patience() -> float:
    """After how many seconds without a sign systemd ends and restarts this process; 0 where it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6


class Watchdog:
    """Tells systemd that the daemon is alive as long as each of the `checks`, by name, says so.

    A check gets the seconds that it may take. One that hangs holds up the sign, which is what it is for.
    """

    def __init__(self, checks: Mapping[str, Callable[[float], bool]]) -> None:
        self._checks = checks
        self._stopped = threading.Event()
        self._every = patience() / PATS
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin, if systemd wants to know."""
        if self._every:
            self._thread.start()

    def stop(self) -> None:
        """Tell nothing more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            hung = [name for name, check in self._checks.items() if not check(self._every)]
            if not hung:
                tell("WATCHDOG=1")
            elif not self._stopped.is_set():
                _log.error("the daemon hangs, and is restarted if it goes on", parts=hung)
