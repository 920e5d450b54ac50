"""Server-sent events: what a verb yields, as text, with a sign of life every 15 seconds."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pydantic_core

from origo.model import database

HEARTBEAT = 15.0
WELCOME_SECONDS = 2.0
"""How often a stream asks whether its reader may still read; a log-out ends it no later."""


class Stream:
    """The body of one stream. It ends when the verb does, when the client has gone, when `stopping` says so, or when
    its reader is not `welcome` any more."""

    def __init__(
        self,
        events: Iterator[dict[str, Any] | None],
        stopping: Callable[[], bool],
        welcome: Callable[[], bool],
        ended: Callable[[], None],
    ) -> None:
        self._events = events
        self._stopping = stopping
        self._welcome = welcome
        self._ended = ended
        self._last = self._asked = time.monotonic()
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return b"retry: 2000\n\n"
        while not self._stopping():
            event = self._pull()
            now = time.monotonic()
            if event is not None or now - self._last >= HEARTBEAT:
                self._last = now
                return b": alive\n\n" if event is None else _text(event)
        raise StopIteration

    def close(self) -> None:
        """Called by the server, once, however the stream ended."""
        try:
            close = getattr(self._events, "close", None)
            if close is not None:
                close()
        finally:
            ended, self._ended = self._ended, lambda: None
            ended()

    def _pull(self) -> dict[str, Any] | None:
        # A stream lasts for hours, so it has a connection to the database only while it looks for something new.
        opened = database.connect(reuse_if_open=True)
        try:
            if time.monotonic() - self._asked >= WELCOME_SECONDS:
                self._asked = time.monotonic()
                if not self._welcome():
                    raise StopIteration
            return next(self._events)
        finally:
            if opened:
                database.close()


def _text(event: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        event["id"],
        event["kind"].encode(),
        pydantic_core.to_json(event),
    )
