"""What happens when fifty small servers are wanted at once, beside fifty that are started at once without Origo."""

import contextlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import _bare, _engine
from tests.bench._bare import Bare, Pattern
from tests.bench._engine import Engine, Refused
from tests.bench._figures import median, show, spread

SERVERS = 50
MEMORY_MB = 64
ROUNDS = 3
SECONDS = 60
"""No further round is begun after that."""
PATIENCE = 120
LEAST_RATIO = 0.7
HALT = bytes.fromhex("fa f4 eb fd".replace(" ", "")).ljust(510, b"\0") + b"\x55\xaa"
"""A boot sector: cli, hlt, and once more."""


def main() -> int:
    """Print servers per second; 1 if they are too few beside the control, or if one of them failed."""
    took: list[float] = []
    control: list[float] = []
    problems: list[str] = []
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(_engine.folder("parallel"))
        engine = stack.enter_context(_engine.engine(base / "home"))
        engine.start()
        engine.wait_settled()
        master = _make_master(engine, base)
        bare = stack.enter_context(_bare.bare(base / "bare"))
        pattern = _make_pattern(engine, bare, master)
        began = time.monotonic()
        while len(took) < ROUNDS and time.monotonic() - began < SECONDS:
            control.append(_start_bare(bare, pattern))
            seconds, failed = _install(engine, master, len(took))
            took.append(seconds)
            problems += failed
    for sentence in problems[:20]:
        print(sentence, file=sys.stderr)
    ratio = median(control) / median(took)
    good = ratio >= LEAST_RATIO and not problems
    against = f"{SERVERS / median(control):.2f}/s bare ({spread(control)}; Origo {spread(took)}); "
    against += f"{len(took) * SERVERS - len(problems)} of {len(took) * SERVERS} run"
    return int(not show("parallel", SERVERS / median(took), "servers/s", against, ratio, within=good))


def _make_master(engine: Engine, base: Path) -> str:
    """The id of a master whose guest halts at once."""
    file = base / "halt.img"
    file.write_bytes(HALT.ljust(1 << 20, b"\0"))
    image = engine.do("POST", "/images/import", {"name": "halt", "file": str(file)})["target"]
    engine.do("POST", f"/images/{image}/master")
    return str(image)


def _make_pattern(engine: Engine, bare: Bare, master: str) -> Pattern:
    """What such a server is to libvirt."""
    server = engine.do("POST", "/servers", _wanted("pattern", master))["target"]
    pattern = bare.pattern(server)
    engine.do("DELETE", f"/servers/{server}")
    return pattern


def _wanted(name: str, master: str) -> dict[str, object]:
    return {"name": name, "memory_mb": MEMORY_MB, "disks": [{"master": master}]}


def _start_bare(bare: Bare, pattern: Pattern) -> float:
    """All at once, as many threads as servers; the seconds until all run."""
    names = [f"bare{number}" for number in range(SERVERS)]
    began = time.monotonic()
    with ThreadPoolExecutor(SERVERS) as pool:
        list(pool.map(lambda name: bare.start(pattern, name), names))
    seconds = time.monotonic() - began
    assert bare.running(names) == SERVERS
    for name in names:
        bare.remove(pattern, name)
    return seconds


def _install(engine: Engine, master: str, round: int) -> tuple[float, list[str]]:
    """All requests at once; the seconds until all are done, and a sentence for each that failed."""
    bodies = [_wanted(f"round{round}-{number}", master) for number in range(SERVERS)]
    began = time.monotonic()
    with ThreadPoolExecutor(SERVERS) as pool:
        operations = list(pool.map(lambda body: engine.ask("POST", "/servers", body), bodies))
    for operation in operations:
        while _unfinished(engine, operation["id"]) and time.monotonic() - began < PATIENCE:
            time.sleep(0.1)
    seconds = time.monotonic() - began
    failed = []
    for operation in operations:
        ended = engine.ask("GET", f"/operations/{operation['id']}")
        server = engine.ask("GET", f"/servers/{ended['target']}") if ended["status"] == "done" else {"power": "absent"}
        if server["power"] != "running":
            failed.append(
                f"operation {ended['id']} is {ended['status']}, its server {server['power']}: {ended['error']}"
            )
    for operation in operations:
        with contextlib.suppress(Refused):
            engine.ask("DELETE", f"/servers/{operation['target']}")
    while engine.ask("GET", "/servers?limit=1")["items"] and time.monotonic() - began < 2 * PATIENCE:
        time.sleep(0.2)
    return seconds, failed


def _unfinished(engine: Engine, operation: int) -> bool:
    return engine.ask("GET", f"/operations/{operation}")["status"] not in ("done", "undone", "stuck")


if __name__ == "__main__":
    sys.exit(main())
