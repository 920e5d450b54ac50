"""Work for a fixed number of threads: what is ready now, and what is to be tried again later."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable

from origo import log
from origo.model import database

_log = log.get("operations")


class Workers:
    """Threads that hand one id after the other to `work`; the same id is never in two hands.

    What waits for its time holds no thread. A thread with nothing to do has closed its database connection.
    """

    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._count = count
        self._work = work
        self._changed = threading.Condition()
        self._ready: deque[int] = deque()
        self._later: list[tuple[float, int]] = []
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stopping = False

    def start(self) -> None:
        """Begin to work; threads are made as they are needed."""
        with self._changed:
            self._stopping = False
            self._staff()

    def stop(self, seconds: float) -> bool:
        """Hand out nothing more; whether all threads came to an end within that time."""
        end = time.monotonic() + seconds
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def add(self, id: int, seconds: float = 0.0) -> None:
        """Hand out this id, now or some seconds from now."""
        with self._changed:
            if seconds > 0:
                heapq.heappush(self._later, (time.monotonic() + seconds, id))
            else:
                self._ready.append(id)
            self._changed.notify()
            self._staff()

    def alive(self, seconds: float) -> bool:
        """Whether ids are handed out: nobody holds the queue for longer than that, and no thread has died."""
        if not self._changed.acquire(timeout=seconds):
            return False
        try:
            return self._stopping or all(thread.is_alive() for thread in self._threads)
        finally:
            self._changed.release()

    def _staff(self) -> None:
        wanted = len(self._ready) + bool(self._later) - self._idle
        while wanted > 0 and len(self._threads) < self._count and not self._stopping:
            name = f"operations-{len(self._threads)}"
            thread = threading.Thread(target=self._loop, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
            wanted -= 1

    def _loop(self) -> None:
        try:
            while (id := self._next()) is not None:
                try:
                    self._work(id)
                except Exception:
                    _log.exception("an operation is left for the next start", operation=id)
        finally:
            database.close()

    def _next(self) -> int | None:
        """The next id; None when the thread is to end."""
        while True:
            with self._changed:
                if self._stopping:
                    return None
                self._promote()
                if self._ready:
                    return self._ready.popleft()
            database.close()
            with self._changed:
                left = self._promote()
                if not self._ready and not self._stopping:
                    self._idle += 1
                    self._changed.wait(left)
                    self._idle -= 1

    def _promote(self) -> float | None:
        """What has come due is ready; the seconds until the next is."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[1])
        return self._later[0][0] - now if self._later else None
