"""What the engine does when somebody sets the machine's clock, its settings, or restores it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from origo import app, home


class Waiting(app.App):
    """An engine of which only that part runs that looks after the certificate."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self.looked, self.anew = threading.Event(), threading.Event()
        self._again = self.anew.set
        self.core: Any = SimpleNamespace(config=object())
        self.home: Any = SimpleNamespace(path=Path("/nowhere"))
        self.firewall: Any = SimpleNamespace(ensure=None)

    def _attempt(self, name: str, part: Callable[[], None]) -> None:
        if name == "front":
            self.looked.set()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    monkeypatch.setattr(app, "SECOND", 0.05)
    one = Waiting()
    thread = threading.Thread(target=one._look_after, daemon=True)
    thread.start()
    assert not one.looked.wait(0.3), "nothing has happened yet"
    yield one
    one._stopping.set()
    thread.join(5)


def test_the_certificate_is_looked_after_at_once_when_the_clock_was_set(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 400 * 86400
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert waiting.looked.wait(5)


def test_the_front_goes_by_new_settings_at_once(waiting: Waiting) -> None:
    waiting.core.config = object()
    assert waiting.looked.wait(5)


def test_a_restored_engine_answers_who_waits_for_that_before_it_starts_anew(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HEARD_SECONDS", 1.0)
    monkeypatch.setattr(home, "is_staged", lambda path: True)
    assert not waiting.anew.wait(0.5) and waiting.anew.wait(5)
