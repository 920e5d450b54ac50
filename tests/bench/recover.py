"""What it takes to be the same engine again by an old pool: 100 servers, and images that came after the backup."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from origo_plugins.storage_zfs.driver import ZfsStorage

from origo import home as homes
from origo import model
from origo.contracts import PoolSpec
from origo.host import LocalHost
from origo.model import Image, Pool
from origo.services.access import SYSTEM
from tests.bench import _engine, _many
from tests.bench._engine import Engine
from tests.bench._figures import show

SERVERS = 100
MOST_SECONDS = 60
PATIENCE = 300


def main() -> int:
    """Print the seconds for a pool that is a folder, and one on ZFS; 1 if they are too many or anything is missing."""
    subprocess.run(["zfs-fuse"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return int(not all([measure("recover", "storage_rsync"), measure("recover-zfs", "storage_zfs")]))


def measure(name: str, driver: str) -> bool:
    """Lose an engine, and recover it from its pool; whether it was quick enough and whole."""
    zfs = driver == "storage_zfs"
    with _engine.folder(name) as base:
        settings, home = _engine.fakes(base), base / "old"
        options = {"file": str(base / "vdev"), "size": "512M"} if zfs else {}
        pool = {"id": 0, "driver": driver, "path": str(home / "pools" / "0"), "options": options}
        homes.make(home)
        if zfs:
            ZfsStorage(LocalHost(), {}).create(PoolSpec(0, "default", pool["path"], options))
        key, control = _old(home, settings, pool)
        if zfs:
            subprocess.run(["zpool", "export", "origo-0"], check=True)
        with _engine.engine(base / "new", **settings, setup="true") as new:
            new.start()
            new.wait_settled()
            began = time.monotonic()
            new.ask("POST", "/engine/recover", {"key": key, **pool})
            found = _await(new)
            took = time.monotonic() - began
        if zfs:
            subprocess.run(["zpool", "destroy", "-f", "origo-0"], check=True)
    whole = found == (SERVERS, 2 * SERVERS)
    against = f"{control:.2f} s of a start of the old engine; {found[0]} servers and {found[1]} images are there"
    return show(name, took, "s", against, took / control, within=whole and took <= MOST_SECONDS)


def _old(home: Path, settings: dict[str, str], pool: dict[str, Any]) -> tuple[str, float]:
    """An engine with a backup, and with images after it, which is killed: its recovery key, and how long it starts."""
    _many.fill(home, SERVERS, 1, running=False)
    _change(home, lambda: Pool.update(driver=pool["driver"], options=pool["options"], state="ready").execute())
    with _engine.engine(home, **settings) as old:
        old.start()
        key = str(old.ask("POST", "/engine/recovery-key")["key"])
        old.do("POST", "/engine/backups", {"pool": "0"})
    _change(home, _more)
    with _engine.engine(home, **settings) as old:
        began = time.monotonic()
        old.start()
        old.wait_settled()
        return key, time.monotonic() - began


def _change(home: Path, change: Callable[[], object]) -> None:
    model.connect(str(home / "origo.db"))
    with model.database.atomic():
        change()
    model.database.close()


def _more() -> None:
    """Images that only the pool's notes know of, and a file for each image that is there."""
    for number in range(SERVERS):
        Image.create(name=f"later-{number}", owner=SYSTEM.id, pool=0, size_bytes=1 << 30, state="ready")
    for image in Image.select():
        Path(image.pool.path, "images", f"{image.id}.{image.format}").touch(mode=0o600)


def _await(new: Engine) -> tuple[int, int]:
    """Wait until it is the old engine and ready; how many servers and images it has."""
    end = time.monotonic() + PATIENCE
    while new.log.read_text().count('"ready"') < 2 and time.monotonic() < end:
        time.sleep(0.05)
    return _count(new, "servers"), _count(new, "images")


def _count(new: Engine, noun: str) -> int:
    found, cursor = 0, ""
    while True:
        page = new.ask("GET", f"/{noun}?limit=200&cursor={cursor}")
        found, cursor = found + len(page["items"]), page["next"]
        if not cursor:
            return found


if __name__ == "__main__":
    sys.exit(main())
