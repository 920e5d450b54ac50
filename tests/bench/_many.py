"""Rows of a large engine, written directly, and worlds of fakes that agree with them."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from origo_plugins.storage_rsync.driver import RsyncStorage

from origo import home as homes
from origo import model
from origo.contracts import PoolSpec
from origo.host import LocalHost
from origo.model import Connection, Disk, Image, Network, Node, Pool, Server, User, migrations
from origo.services.access import SYSTEM

EACH = 200
"""Servers of one network."""


def fill(home: Path, servers: int, nodes: int, hypervisor: str = "fake", *, running: bool = True) -> None:
    """Make a home with so many servers, over the nodes, each with a disk and a card; two of three run, or none."""
    homes.make(home)
    pool = PoolSpec(id=0, name="default", path=str(home / "pools" / "0"), options={})
    RsyncStorage(LocalHost(), {}).create(pool)
    model.connect(str(home / "origo.db"))
    migrations.migrate()
    with model.database.atomic():
        User.create(id=SYSTEM.id, name=SYSTEM.name, role="admin", enabled=False)
        Pool.create(id=0, name=pool.name, driver="storage_rsync", path=pool.path, created=time.time())
        places = {row["id"]: Path(row["options"]["state"]) for row in _nodes(home, nodes, hypervisor)}
        networks = [row["id"] for row in _networks(-(-servers // EACH))]
        rows = list(_servers(servers, list(places), running))
        _insert(Server, rows)
        _insert(Image, [_image(row) for row in rows])
        _insert(Disk, [{"server": row["id"], "image": row["id"], "position": 0} for row in rows])
        cards = (_connection(number, row, networks[number // EACH]) for number, row in enumerate(rows))
        _insert(Connection, list(cards))
    model.database.close()
    if hypervisor == "fake":
        _make_worlds(home, places, rows)


def _nodes(home: Path, count: int, hypervisor: str) -> list[dict[str, Any]]:
    rows = []
    for number in range(count):
        state = str(home / ("hypervisor" if number == 0 else f"worlds/{number}"))
        options = {"state": state, "daemon": "own"}
        name, address = (f"node{number}", f"192.0.2.{number % 256}") if number else ("local", "")
        node = {"id": model.new_id(), "name": name, "address": address, "hypervisor": hypervisor, "options": options}
        rows.append(node | {"memory_mb": 1 << 20, "cpus": 64, "created": time.time()})
    _insert(Node, rows)
    return rows


def _networks(count: int) -> list[dict[str, Any]]:
    rows = []
    for number in range(256, 256 + count):
        prefix = f"10.{number >> 8}.{number & 255}"
        row = {"id": model.new_id(), "name": f"net{number}", "number": number, "owner": SYSTEM.id, "driver": "fake"}
        row |= {
            "bridge": f"origo{number}",
            "subnet": f"{prefix}.0/24",
            "gateway": f"{prefix}.1",
            "created": time.time(),
        }
        rows.append(row)
    _insert(Network, rows)
    return rows


def _servers(count: int, nodes: list[str], running: bool) -> Iterator[dict[str, Any]]:
    now = time.time()
    for number in range(count):
        power = "running" if running and number % 3 < 2 else "stopped"
        yield {
            "id": str(uuid.uuid4()),
            "created": now - count + number,
            "name": f"server-{number:05}",
            "owner": SYSTEM.id,
            "node": nodes[number % len(nodes)],
            "memory_mb": 64,
            "state": "ready",
            "power": power,
            "desired": power,
            "settled": power,
        }


def _image(server: dict[str, Any]) -> dict[str, Any]:
    known = {name: server[name] for name in ("id", "created", "name", "owner", "state")}
    return known | {"pool": 0, "size_bytes": 1 << 30}


def _connection(number: int, server: dict[str, Any], network: str) -> dict[str, Any]:
    place = number % EACH
    return {
        "id": model.new_id(),
        "created": server["created"],
        "network": network,
        "server": server["id"],
        "mac": f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        "address": f"10.{1 + number // EACH // 256}.{number // EACH % 256}.{10 + place}",
        "tap": f"o{number:08x}",
        "active": server["power"] == "running",
    }


def _make_worlds(home: Path, places: dict[str, Path], servers: list[dict[str, Any]]) -> None:
    for place in places.values():
        for area in ("servers", "power"):
            (place / area).mkdir(parents=True)
    for row in servers:
        place = places[row["node"]]
        (place / "servers" / f"{row['id']}.json").write_text('{"memory_mb": 64}')
        if row["power"] == "running":
            (place / "power" / row["id"]).write_text("running")
    restless = [
        [str(places[row["node"]] / "power" / row["id"]), row["id"]] for row in servers if row["power"] == "running"
    ]
    (home / "hypervisor" / "restless.json").write_text(json.dumps({"rate": 100, "servers": restless[:2_000]}))


def _insert(table: Any, rows: list[dict[str, Any]]) -> None:
    """With the defaults of the columns, by plain SQL: a tenth of the time that rows take one by one."""
    fields = [field for field in table._meta.sorted_fields if field.name in rows[0] or field.default is not None]
    names = ", ".join(field.column_name for field in fields)
    places = ", ".join("?" * len(fields))
    values = [
        [field.db_value(row[field.name] if field.name in row else _default(field)) for field in fields] for row in rows
    ]
    sql = f'INSERT INTO "{table._meta.table_name}" ({names}) VALUES ({places})'  # noqa: S608 - names of columns
    model.database.connection().executemany(sql, values)


def _default(field: Any) -> Any:
    return field.default() if callable(field.default) else field.default
