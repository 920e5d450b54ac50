"""What the engine does when somebody sets the machine's clock."""

import threading
import time
from collections.abc import Callable

import pytest

from origo import app


class Waiting(app.App):
    """An engine of which only that part runs that looks after the certificate."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self.looked = threading.Event()

    def _attempt(self, name: str, part: Callable[[], None]) -> None:
        if name == "front":
            self.looked.set()


def test_the_certificate_is_looked_after_at_once_when_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MINUTE", 0.05)
    one = Waiting()
    thread = threading.Thread(target=one._look_after, daemon=True)
    thread.start()
    assert not one.looked.wait(0.3), "nothing has happened yet"
    ahead = time.time() + 400 * 86400
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert one.looked.wait(5)
    one._stopping.set()
    thread.join(5)
