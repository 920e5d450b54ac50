"""How many streams and waits there may be at once, in all and for one user, so that they never starve requests."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from origo.errors import TooMany

RETRY_SECONDS = 5


class Slots:
    """Places for one kind of request that holds a thread for long."""

    def __init__(self, what: str, total: int, each: int) -> None:
        """`what` names them in a sentence; at most `total` at once, and `each` for one user."""
        self.what = what
        self.total = total
        self.each = each
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, user: str) -> None:
        """Take a place. Raises TooMany."""
        with self._lock:
            if self._taken.total() >= self.total or self._taken[user] >= self.each:
                raise TooMany(
                    f"cannot have more {self.what} at once",
                    hint="end one of them, or try again later",
                    details={"retry_after": RETRY_SECONDS},
                )
            self._taken[user] += 1

    def give_back(self, user: str) -> None:
        """Give a place back."""
        with self._lock:
            self._taken[user] -= 1
            if not self._taken[user]:
                del self._taken[user]

    def __len__(self) -> int:
        """How many are taken."""
        return self._taken.total()

    @contextlib.contextmanager
    def taken(self, user: str) -> Iterator[None]:
        """Have a place while the block runs. Raises TooMany."""
        self.take(user)
        try:
            yield
        finally:
            self.give_back(user)
