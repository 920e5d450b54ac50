"""Who may go: named locks, shared or exclusive, taken all at once and oldest first; nobody waits in a thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from origo.operations.base import Lock, Mode


def merged(locks: Iterable[Lock]) -> dict[str, Mode]:
    """Each name once, with the stronger mode where an operation asks for both."""
    modes: dict[str, Mode] = {}
    for lock in locks:
        if modes.get(lock.name) is not Mode.EXCLUSIVE:
            modes[lock.name] = Mode(lock.mode)
    return modes


class Queue:
    """Those who want one name, in the order they came: in `front` who has it (one alone, or many that share)."""

    def __init__(self) -> None:
        self.front: set[int] = set()
        self.mode = Mode.SHARED
        self.behind: OrderedDict[int, Mode] = OrderedDict()

    def join(self, id: int, mode: Mode) -> bool:
        """Stand in line; whether the name is had at once."""
        if self.behind or not self._fits(mode):
            self.behind[id] = mode
            return False
        self._enter(id, mode)
        return True

    def leave(self, id: int) -> list[int]:
        """Give the name back, or stop waiting for it; who has it now and had it not before."""
        self.front.discard(id)
        self.behind.pop(id, None)
        entered = []
        while self.behind:
            first, mode = next(iter(self.behind.items()))
            if not self._fits(mode):
                break
            del self.behind[first]
            self._enter(first, mode)
            entered.append(first)
        return entered

    def _fits(self, mode: Mode) -> bool:
        return not self.front or (mode is Mode.SHARED and self.mode is Mode.SHARED)

    def _enter(self, id: int, mode: Mode) -> None:
        self.front.add(id)
        self.mode = mode


class LockTable:
    """All queues, by name. Whoever joins stands in all its lines at the same moment, so there is no deadlock.

    Being in front counts while other names are still missing: that is how an older one blocks younger ones, and only
    where their modes conflict. Each join and leave costs the number of its names, however many wait. Not thread-safe.
    """

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._missing: dict[int, int] = {}

    def __contains__(self, id: int) -> bool:
        return id in self._names

    def join(self, id: int, locks: Iterable[Lock]) -> bool:
        """Ask for all these locks; whether all are had at once."""
        modes = merged(locks)
        self._names[id] = tuple(modes)
        missing = 0
        for name, mode in modes.items():
            queue = self._queues.setdefault(name, Queue())
            missing += not queue.join(id, mode)
        self._missing[id] = missing
        return missing == 0

    def leave(self, id: int) -> list[int]:
        """Give back all its locks; who has all of theirs from now on, oldest first."""
        complete = []
        for name in self._names.pop(id, ()):
            queue = self._queues[name]
            for other in queue.leave(id):
                self._missing[other] -= 1
                if self._missing[other] == 0:
                    complete.append(other)
            if not queue.front:
                del self._queues[name]
        self._missing.pop(id, None)
        return sorted(complete)

    def blockers(self, id: int) -> list[int]:
        """Who holds what this one still waits for, oldest first."""
        queues = (self._queues[name] for name in self._names.get(id, ()))
        return sorted({other for queue in queues if id not in queue.front for other in queue.front})
