"""How long a click on "install" takes until the stack's page is there, beside the same image booted without Origo."""

import contextlib
import http.client
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from origo import secrets
from origo.services.access import SYSTEM
from tests.bench import _bare, _engine
from tests.bench._bare import Bare, Pattern
from tests.bench._engine import Engine
from tests.bench._figures import median, show, spread
from tests.bench.install import prepare, remove

ROUNDS = 5
SECONDS = 90
"""No further round is begun after that."""
PATIENCE = 60
LOOK_SECONDS = 0.05
ANSWER_SECONDS = 0.5
MOST_RATIO = 1.1
ADDRESS = "10.200.0.10"
USER = "looks-at-pages"


def main() -> int:
    """Print the seconds from the request to the page; 1 if that is too much beside the control."""
    took: list[float] = []
    control: list[float] = []
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(_engine.folder("click"))
        engine = stack.enter_context(_engine.engine(base / "home"))
        engine.start()
        engine.wait_settled()
        _add_user(engine)
        bare = stack.enter_context(_bare.bare(base / "bare"))
        stack.enter_context(_addresses(base))
        pattern = prepare(engine, bare)
        began = time.monotonic()
        while len(took) < ROUNDS and time.monotonic() - began < SECONDS:
            control.append(_boot_bare(bare, pattern))
            took.append(_click(engine, f"round{len(took)}"))
    ratio = median(took) / median(control)
    against = f"{median(control):.2f} s bare ({spread(control)}; Origo {spread(took)})"
    return int(not show("click-to-page", median(took), "s", against, ratio, within=ratio <= MOST_RATIO))


def _boot_bare(bare: Bare, pattern: Pattern) -> float:
    began = time.monotonic()
    bare.start(pattern, "control")
    _await(lambda: http.client.HTTPConnection(ADDRESS, timeout=ANSWER_SECONDS), {})
    seconds = time.monotonic() - began
    bare.remove(pattern, "control")
    return seconds


def _click(engine: Engine, name: str) -> float:
    """As a browser that is logged in: ask, then look at the page until it is there."""
    began = time.monotonic()
    stack = engine.ask("POST", "/stacks", {"stack": "hello", "name": name})["target"]
    host = engine.ask("GET", f"/stacks/{stack}")["host"]
    headers = {"Host": f"{host}:8080", "Cookie": f"__Host-origo={_session(engine, host)}"}
    front = engine.home / "run" / "front-http.sock"
    _await(lambda: _engine.OverUnix(front, timeout=ANSWER_SECONDS), headers)
    seconds = time.monotonic() - began
    remove(engine, stack)
    return seconds


def _await(connect: Callable[[], http.client.HTTPConnection], headers: dict[str, str]) -> None:
    """Return once a page is answered."""
    end = time.monotonic() + PATIENCE
    last: object = None
    while time.monotonic() < end:
        connection = connect()
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/", headers=headers)
            last = connection.getresponse().status
            if last == 200:
                return
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"there is no page after {PATIENCE} s; the last answer was {last}")


@contextlib.contextmanager
def _addresses(base: Path) -> Iterator[None]:
    """Give the one guest on the bare bridge its address."""
    argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces"]
    argv += [f"--interface={_bare.BRIDGE}", f"--dhcp-range={ADDRESS},{ADDRESS}", "--dhcp-authoritative", "--no-ping"]
    argv += [f"--dhcp-leasefile={base}/leases", f"--pid-file={base}/dnsmasq.pid", "--user=root"]
    served = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()


def _add_user(engine: Engine) -> None:
    engine.ask("POST", "/users", {"name": USER, "role": "admin"})


def _session(engine: Engine, host: str) -> str:
    """A session of that user on this host, as one has who has entered the stack's page before."""
    key, now = secrets.new_key(), time.time()
    with contextlib.closing(sqlite3.connect(engine.home / "origo.db", timeout=30)) as database, database:
        (user,) = database.execute("SELECT id FROM user WHERE name = ? AND id != ?", (USER, SYSTEM.id)).fetchone()
        sql = "INSERT INTO session (id, user_id, host, created, expires) VALUES (?, ?, ?, ?, ?)"
        database.execute(sql, (secrets.digest(key), user, host, now, now + 3600))
    return key


if __name__ == "__main__":
    sys.exit(main())
