"""What a start costs in a large engine that was killed in the middle of its work, and that nothing of that is lost."""

import contextlib
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from origo import app, config, model
from origo.model import Server
from origo.operations.base import Operation
from origo.services.access import SYSTEM
from origo.services.servers import operations
from tests.bench import _engine, _many
from tests.bench._engine import Engine
from tests.bench._figures import median, show, spread

SERVERS, NODES = 20_000, 1_000
UNFINISHED = 1_000
MORE = 200
"""Operations beyond those, since every start that is cut off finishes some."""
ROUNDS = 3
MOST_SECONDS = 3
PATIENCE = 150


def main() -> int:
    """Print the seconds until the first answer; 1 if they are too many, or if something was lost."""
    with _engine.folder("restart") as base, contextlib.ExitStack() as stack:
        settings = _engine.fakes(base)
        _many.fill(base / "many", SERVERS, NODES)
        wanted = _submit(base / "many", settings)
        many = stack.enter_context(_engine.engine(base / "many", **settings))
        few = stack.enter_context(_engine.engine(base / "few", **settings))
        took: list[float] = []
        control: list[float] = []
        unfinished = []
        for number in range(ROUNDS):
            control.append(few.start("/servers"))
            few.stop(signal.SIGKILL)
            unfinished.append(_count(base / "many", "ended IS NULL"))
            took.append(many.start("/servers"))
            if number < ROUNDS - 1:
                time.sleep(1)
                many.stop(signal.SIGKILL)
        began = time.monotonic()
        lost = _await(many, base / "many", wanted)
        seconds = time.monotonic() - began
    for sentence in lost[:20]:
        print(sentence, file=sys.stderr)
    good = max(took) <= MOST_SECONDS and min(unfinished) >= UNFINISHED and not lost
    against = f"{median(control):.2f} s of an empty engine; {min(unfinished)} operations unfinished, all ended "
    against += f"{seconds:.0f} s later, {len(lost)} lost; {spread(took)}"
    show("restart", median(took), "s", against, median(took) / median(control))
    return int(not good)


def _submit(home: Path, settings: dict[str, str]) -> dict[str, str]:
    """Ask for one operation on each of many servers, none of which is begun; what each server is to do then."""
    made = app.build(config.load(home, {f"ORIGO_{name.upper()}": value for name, value in settings.items()}))
    wanted: dict[str, str] = {}
    with model.database.atomic():
        for server in Server.select().limit(UNFINISHED + MORE):
            operation, power = _operation(server, len(wanted))
            args: dict[str, Any] = {"server": server.id, "owner": SYSTEM.id, "changes": {"cpus": 2}}
            made.core.operations.submit(operation, args, by=SYSTEM.id)
            wanted[server.id] = power
    made.core.drivers.close()
    made.core.supervisor.leave()
    model.database.close()
    made.home.release()
    return wanted


def _operation(server: Server, number: int) -> tuple[Operation, str]:
    if number % 4 == 0:
        return operations.EditServer(), server.power
    if server.power == "stopped":
        return operations.StartServer(), "running"
    return (operations.SuspendServer(), "suspended") if number % 4 == 1 else (operations.PowerOffServer(), "stopped")


def _await(engine: Engine, home: Path, wanted: dict[str, str]) -> list[str]:
    """Wait until every operation has ended; a sentence for each thing that is not as it was asked for."""
    engine.wait_settled(PATIENCE)
    end = time.monotonic() + PATIENCE
    while _count(home, "ended IS NULL") and time.monotonic() < end:
        time.sleep(0.2)
    if (ended := _count(home, f"status = 'done' AND id <= {len(wanted)}")) != len(wanted):
        return [f"{len(wanted)} operations were asked for, {ended} are done"]
    lost = []
    with contextlib.closing(sqlite3.connect(home / "origo.db")) as database:
        sql = "SELECT server.id, power, json_extract(options, '$.state') FROM server JOIN node ON node.id = node_id"
        for id, power, world in database.execute(sql):
            place = Path(world, "power", id)
            does = place.read_text() if place.exists() else "stopped"
            if power != does or wanted.get(id, power) != does:
                lost.append(f"server {id} is to be {wanted.get(id, power)}; its row says {power}, its node {does}")
    return lost


def _count(home: Path, where: str) -> int:
    with contextlib.closing(sqlite3.connect(home / "origo.db", timeout=30)) as database:
        found: int = database.execute(f"SELECT count(*) FROM operation WHERE {where}").fetchone()[0]  # noqa: S608
    return found


if __name__ == "__main__":
    sys.exit(main())
