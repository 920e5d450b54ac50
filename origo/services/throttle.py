"""Guesses at passwords are slowed down, for one name from one address, so that nobody locks out anybody else."""

import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from origo.errors import TooMany

FREE = 5
"""Failures in a row before there is any wait."""
LONGEST_WAIT = 60.0
FORGOTTEN_AFTER = 900.0
AT_ONCE = 4
"""Attempts from one address at the same moment, whatever the names: each holds a thread and much memory."""
MOST = 10_000
"""Names and addresses remembered; past that the oldest are forgotten."""


@dataclass
class Failures:
    """How often in a row, when last, and until when further attempts are refused."""

    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Attempt:
    """One attempt that is going on: it has failed unless it says otherwise."""

    right = False

    def succeeded(self) -> None:
        """The password was right: forget the failures before."""
        self.right = True


class Throttle:
    """Counts failures in memory, for each name from each address."""

    def __init__(self, what: str = "log in") -> None:
        """`what` completes the sentence "cannot …"."""
        self.what = what
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], Failures] = OrderedDict()
        self._going: Counter[str] = Counter()

    @contextmanager
    def attempt(self, name: str, address: str) -> Iterator[Attempt]:
        """Let one attempt happen. Raises TooMany while the wait after the last failure lasts, or for one too many at
        the same moment."""
        origin = _origin(address)
        key = (name[:100], origin)
        attempt = Attempt()
        self._begin(key)
        try:
            yield attempt
        finally:
            with self._lock:
                self._going[origin] -= 1
                if not self._going[origin]:
                    del self._going[origin]
                if attempt.right:
                    self._failures.pop(key, None)

    def _begin(self, key: tuple[str, str]) -> None:
        with self._lock:
            if self._going[key[1]] >= AT_ONCE:
                raise TooMany(
                    f"cannot {self.what}: too many attempts at once",
                    hint="try again in a moment",
                    details={"retry_after": 1},
                )
            self._count(key)
            self._going[key[1]] += 1

    def _count(self, key: tuple[str, str]) -> None:
        # Counted before the password is looked at, so that many attempts at once gain nothing.
        now = time.monotonic()
        failures = self._failures.pop(key, Failures())
        if now - failures.last > FORGOTTEN_AFTER:
            failures = Failures()
        self._failures[key] = failures
        if now < failures.until:
            wait = int(failures.until - now) + 1
            raise TooMany(
                f"cannot {self.what}: too many failed attempts",
                hint=f"try again in {wait} seconds",
                details={"retry_after": wait},
            )
        failures.count += 1
        failures.last = now
        if failures.count > FREE:
            failures.until = now + min(LONGEST_WAIT, 2.0 ** min(failures.count - FREE - 1, 10))
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)


def _origin(address: str) -> str:
    """The address as it counts: of IPv6 the network, since one machine has all the addresses of one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
