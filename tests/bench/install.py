"""What an installation costs until all servers of the stack run, beside starting the same servers without Origo."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import _bare, _engine
from tests.bench._bare import Bare, Pattern
from tests.bench._engine import Engine
from tests.bench._figures import median, show, spread

HELLO = Path(__file__).parents[2] / "appliance" / "stacks" / "hello"
ROUNDS = 7
SECONDS = 100
"""No further round is begun after that."""
MOST_RATIO = 1.2


def main() -> int:
    """Print the seconds from the request until all servers run; 1 if that is too much beside the control."""
    took: list[float] = []
    control: list[float] = []
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(_engine.folder("install"))
        engine = stack.enter_context(_engine.engine(base / "home"))
        engine.start()
        engine.wait_settled()
        bare = stack.enter_context(_bare.bare(base / "bare"))
        pattern = prepare(engine, bare)
        began = time.monotonic()
        while len(took) < ROUNDS and time.monotonic() - began < SECONDS:
            control.append(bare.start(pattern, "control"))
            bare.remove(pattern, "control")
            seconds, installed = install(engine, f"round{len(took)}")
            took.append(seconds)
            remove(engine, installed)
    ratio = median(took) / median(control)
    against = f"{median(control):.2f} s bare ({spread(control)}; Origo {spread(took)})"
    return int(not show("install", median(took), "s", against, ratio, within=ratio <= MOST_RATIO))


def prepare(engine: Engine, bare: Bare) -> Pattern:
    """Build `hello`; what its server is to libvirt, for a control of that name with disks of its own."""
    engine.do("POST", "/catalog", {"folder": str(HELLO)})
    _, first = install(engine, "first")
    (server,) = engine.ask("GET", f"/stacks/{first}")["servers"]
    pattern = bare.pattern(server["id"])
    bare.prepare(pattern, "control")
    remove(engine, first)
    return pattern


def install(engine: Engine, name: str) -> tuple[float, str]:
    """Install the stack; the seconds until all its servers run, and its id."""
    began = time.monotonic()
    operation: dict[str, Any] = engine.do("POST", "/stacks", {"stack": "hello", "name": name})
    seconds = time.monotonic() - began
    stack = engine.ask("GET", f"/stacks/{operation['target']}")
    assert [server["power"] for server in stack["servers"]] == ["running"], stack
    return seconds, stack["id"]


def remove(engine: Engine, stack: str) -> None:
    """Leave nothing of it."""
    engine.do("DELETE", f"/stacks/{stack}")
    engine.do("POST", f"/stacks/{stack}/purge")


if __name__ == "__main__":
    sys.exit(main())
