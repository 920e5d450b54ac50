"""What lists cost in a large engine: pages and a search at a steady rate, while servers change their states."""

import contextlib
import http.client
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.bench import _engine, _many
from tests.bench._engine import Engine
from tests.bench._figures import median, percentile, show

SERVERS, NODES = 20_000, 1_000
FEW_SERVERS, FEW_NODES = 200, 10
RATE = 50
"""Requests in a second, sent when they are due whether earlier ones were answered or not."""
EVENTS = 100
ROUNDS = 3
SECONDS = 8
CALLERS = 24
MOST_MS = 50
MOST_RATIO = 1.5


@dataclass
class Load:
    """An engine, what is asked of it, and how long that took, in ms; `rounds` has the 95th percentile of each."""

    engine: Engine
    paths: dict[str, str]
    took: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[float] = field(default_factory=list)
    events: int = 0
    seconds: float = 0

    def run(self) -> None:
        """One round."""
        restless = self.engine.home / "hypervisor" / "now"
        before = self.noted()
        restless.touch()
        began = time.monotonic()
        found = _ask_steadily(self.engine, self.paths)
        self.seconds += time.monotonic() - began
        restless.unlink()
        time.sleep(0.5)
        self.events += self.noted() - before
        for kind, values in found.items():
            self.took.setdefault(kind, []).extend(values)
        self.rounds.append(percentile([one for values in found.values() for one in values], 0.95))

    def noted(self) -> int:
        """How many changes of state the engine has written down."""
        with contextlib.closing(sqlite3.connect(self.engine.home / "origo.db")) as database:
            (count,) = database.execute("SELECT max(id) FROM event").fetchone()
        return count or 0

    @property
    def p95(self) -> float:
        """Of the round in the middle, so that a burst of something else on the machine does not count."""
        return median(self.rounds)


def main() -> int:
    """Print the figure of all requests, and one for each kind; 1 if one is out of bounds."""
    with _engine.folder("list") as base, contextlib.ExitStack() as stack:
        many = _load(stack, base / "many", SERVERS, NODES)
        few = _load(stack, base / "few", FEW_SERVERS, FEW_NODES)
        for _ in range(ROUNDS):
            for load in (few, many):
                load.run()
        against = f"{few.p95:.1f} ms with {FEW_SERVERS} servers; {many.events / many.seconds:.0f} states written/s"
        ratio = many.p95 / few.p95
        good = show("list", many.p95, "ms", against, ratio, within=many.p95 <= MOST_MS and ratio <= MOST_RATIO)
        for kind, took in many.took.items():
            value, control = percentile(took, 0.95), percentile(few.took[kind], 0.95)
            show(f"list-{kind}", value, "ms", f"{control:.1f} ms with {FEW_SERVERS} servers", value / control)
    return int(not good or many.events < 0.9 * EVENTS * many.seconds)


def _load(stack: contextlib.ExitStack, home: Path, servers: int, nodes: int) -> Load:
    _many.fill(home, servers, nodes)
    engine = stack.enter_context(_engine.engine(home, **_engine.fakes(home.parent)))
    engine.start()
    engine.wait_settled()
    last = ""
    while following := engine.ask("GET", f"/servers?limit=500&cursor={quote(last)}")["next"]:
        last = following
    return Load(
        engine,
        {
            "first-page": "/servers",
            "last-page": f"/servers?cursor={quote(last)}",
            "search": f"/servers?q=server-{servers // 2:05}",
        },
    )


def _ask_steadily(engine: Engine, paths: dict[str, str]) -> dict[str, list[float]]:
    """The milliseconds from when each request was due until its answer was read."""
    kinds = list(paths)
    due = iter(range(RATE * SECONDS))
    guard = threading.Lock()
    began = time.monotonic() + 0.1
    took: dict[str, list[float]] = {kind: [] for kind in kinds}

    def call() -> None:
        while True:
            with guard:
                number = next(due, None)
            if number is None:
                return
            at = began + number / RATE
            time.sleep(max(0.0, at - time.monotonic()))
            kind = kinds[number % len(kinds)]
            _get(engine, paths[kind])
            took[kind].append((time.monotonic() - at) * 1000)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return took


def _get(engine: Engine, path: str) -> None:
    connection = _engine.OverUnix(engine.socket, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", f"/api/v1{path}")
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise http.client.HTTPException(f"{path}: {response.status}")


if __name__ == "__main__":
    sys.exit(main())
