"""Work without end on an engine, and all by which it and its machine could disagree; run in the machine by root.

usage: python load.py work    what was acknowledged goes to the serial line, a JSON line each, beginning with ACK
       python load.py look    acknowledgements on standing input; a JSON list of what is wrong
"""

import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from origo.client import connect
from origo.client.api import Client
from origo.errors import OrigoError

LINE = "/dev/ttyS0"
PAGE = "http://10.1.0.10/"
POOL = Path("/var/lib/origo/pools/0")
MIB = 1 << 20
SETTLE_SECONDS = 180


def acknowledge(**facts: Any) -> None:
    """Say outside what was said to somebody here: one write, so that lines stay whole."""
    line = os.open(LINE, os.O_WRONLY | os.O_NOCTTY)
    os.write(line, f"\nACK {json.dumps(facts)}\n".encode())
    os.close(line)


def change(engine: Client, method: str, path: str, body: Any = None) -> str:
    """Ask for a change, acknowledge it, wait for its end, acknowledge that; its target."""
    asked = engine.request(method, path, body)
    acknowledge(operation=asked["id"], ended=False)
    *_, ended = engine.follow(asked)
    acknowledge(operation=asked["id"], ended=True, status=ended["status"])
    return str(ended["target"])


def disks(engine: Client, number: int) -> None:
    """A disk is made, grown, thrown away, every other one taken back before that, and removed for good."""
    image = change(engine, "POST", "/images", {"name": f"disk-{time.time_ns()}", "size_bytes": 64 * MIB})
    change(engine, "POST", f"/images/{image}/grow", {"size_bytes": 128 * MIB})
    if number % 2:
        change(engine, "DELETE", f"/images/{image}")
        change(engine, "POST", f"/images/{image}/undelete")
    change(engine, "DELETE", f"/images/{image}")
    change(engine, "POST", f"/images/{image}/purge")


def guests(engine: Client, number: int) -> None:
    """A server with a disk of its own is made, runs, is cut off and thrown away, as are those that a power cut left."""
    for left in list(engine.items("/servers", trash=True)):
        change(engine, "POST", f"/servers/{left['id']}/purge")
    for left in list(engine.items("/servers")):
        if left["name"].startswith("guest-"):
            _throw_away(engine, left["id"])
    body = {"name": f"guest-{time.time_ns()}", "memory_mb": 64, "disks": [{"size_bytes": 64 * MIB}], "start": True}
    server = change(engine, "POST", "/servers", body)
    change(engine, "POST", f"/servers/{server}/reset" if number % 2 else f"/servers/{server}/suspend")
    _throw_away(engine, server)


def _throw_away(engine: Client, server: str) -> None:
    change(engine, "POST", f"/servers/{server}/poweroff")
    change(engine, "DELETE", f"/servers/{server}")
    change(engine, "POST", f"/servers/{server}/purge")


def visits(engine: Client, number: int) -> None:
    """The stack's page is asked for, and says how often it was."""
    with urllib.request.urlopen(PAGE, timeout=10) as page:
        acknowledge(visits=_count(page.read().decode()))


def work() -> None:
    """Do all of it at the same time until the power is cut; what is refused or not there yet is tried again."""
    for job in (disks, guests, visits):
        threading.Thread(target=_repeat, args=(job,)).start()


def _repeat(job: Callable[[Client, int], None]) -> None:
    number = 0
    while True:
        with contextlib.suppress(OrigoError, OSError):
            job(connect(), number)
        number += 1
        time.sleep(0.1)


def look(acknowledged: list[dict[str, Any]]) -> list[str]:
    """All that is wrong, a sentence each, once the engine has gone on with what was unfinished."""
    engine = connect()
    deadline = time.monotonic() + SETTLE_SECONDS
    while (active := list(engine.items("/operations", active=True))) and time.monotonic() < deadline:
        time.sleep(0.5)
    wrong = [f"operation {one['id']} {one['kind']} is still {one['status']}: {one['error']}" for one in active]
    wrong += [f"issue: {one['sentence']}" for one in engine.items("/issues")]
    return [*wrong, *_lost(engine, acknowledged), *_images(engine), *_servers(engine), *_taps(engine)]


def _lost(engine: Client, acknowledged: list[dict[str, Any]]) -> Iterator[str]:
    known = {one["id"]: one["status"] for one in engine.items("/operations")}
    for one in acknowledged:
        if "operation" in one and one["operation"] not in known:
            yield f"operation {one['operation']} was acknowledged and is not known"
        elif one.get("ended") and known[one["operation"]] != one["status"]:
            yield f"operation {one['operation']} was {one['status']} and is {known[one['operation']]}"
    promised = max((one["visits"] for one in acknowledged if "visits" in one), default=0)
    with urllib.request.urlopen(PAGE, timeout=30) as page:
        if (count := _count(page.read().decode())) <= promised:
            yield f"the page said {promised} visits and says {count}"


def _images(engine: Client) -> Iterator[str]:
    both = [engine.items(f"/{noun}", trash=trash or None) for noun in ("images", "servers") for trash in (False, True)]
    images, trashed, servers, gone = ([one["id"] for one in rows] for rows in both)
    rows = {*images, *trashed}
    seeds = {f"{id}-seed" for id in (*servers, *gone)}
    files = collections.Counter(path.name.partition(".")[0] for part in ("images", "masters", "trash")
                                for path in (POOL / part).iterdir())  # fmt: skip
    yield from (f"the file of image {id} is gone" for id in rows - set(files))
    yield from (f"file {id} is nobody's" for id in set(files) - rows - seeds)
    yield from (f"image {id} has {count} files" for id, count in files.items() if count > 1)


def _servers(engine: Client) -> Iterator[str]:
    rows = {f"origo-{one['id']}": one for one in engine.items("/servers")}
    defined = set(_said("virsh", "list", "--all", "--name").split())
    running = set(_said("virsh", "list", "--name").split())
    guests = re.findall(r"guest=(origo-[0-9a-f-]{36})", _said("ps", "-eo", "args", "-ww"))
    yield from (f"{name} is defined, and no server" for name in defined - set(rows))
    yield from (f"{name} is a server, and not defined" for name in set(rows) - defined)
    yield from (f"{name} runs on {n} processes" for name, n in collections.Counter(guests).items() if n > 1)
    yield from (f"{name} has a process and does not run" for name in set(guests) - running)
    for name, row in rows.items():
        if (row["power"] in ("running", "suspended")) != (name in running):
            yield f"{name} is {row['power']}, and libvirt says {'on' if name in running else 'off'}"
        if row["power"] != row["desired"]:
            yield f"{name} is to be {row['desired']} and is {row['power']}"


def _taps(engine: Client) -> Iterator[str]:
    on = sum(one["power"] != "stopped" for one in engine.items("/servers"))
    ports = [path.name for path in Path("/sys/class/net").glob("origo*/brif/*")]
    if len(ports) != on:
        yield f"{on} servers are on, and the bridges have the ports {ports}"


def _count(page: str) -> int:
    found = re.search(r'id="count">(\d+)<', page)
    return int(found[1]) if found else -1


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work()
    else:
        json.dump(look([json.loads(line) for line in sys.stdin]), sys.stdout)
