"""Taking back what a pool knows and the database does not, because that went back to an older state."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from origo import model
from origo.contracts import Place
from origo.model import Disk, Image, Pool, User
from origo.operations.core import Core
from origo.services import issues, pools
from origo.services.access import SYSTEM
from origo.services.pools import notes

AREAS = ("images", "masters", "trash")
SINCE = ("name", "kind", "size_bytes")
"""What of an image with a row may have changed since, and has no other place where it is told."""
COLUMNS = (*SINCE, "content", "format", "created", "trashed")
SHOWN = 5
"""How many images an issue names."""


@dataclass
class Findings:
    """What was found, by the ids of images; `left` are names of files."""

    back: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """For a person; empty when the database lacked nothing."""
        said = [
            (self.back, "made since came back", True),
            (self.changed, "changed since", True),
            (self.moved, "put back to where their servers have them", True),
            (self.missing, "without a file", True),
            (self.left, "files that nothing is known of", False),
        ]
        parts = (f"{len(ids)} {words}{_named(ids) if images else ''}" for ids, words, images in said if ids)
        return ", ".join(parts)


def recall(core: Core, pool: Pool) -> None:
    """Let rows and files agree again where an open pool's notes are newer than the database. Removes nothing.

    All rows, and that it was done, are one transaction, so that what was cut off begins again at the next look.
    """
    noted = notes.read(core, pool)
    if noted is None or noted.count <= pool.noted:
        return
    driver, spec = pools.driver(core, pool), pools.spec(pool)
    files = {name: area for area in AREAS for name in driver.list(spec, area)}
    images = {one.id: asdict(one) for one in noted.images}
    rows = list(Image.select().where((Image.pool == pool) & (Image.state != "creating")))
    served = {disk.image_id for disk in Disk.select(Disk.image)}
    found, changes = Findings(), dict[str, dict[str, Any]]()
    for row in rows:
        area, since = files.pop(pools.place(row).name, ""), images.pop(row.id, {})
        if not area:
            found.missing.append(row.id)
            continue
        changes[row.id] = _changed(row, since, area, follows=row.id not in served)
        if row.id in served and (area == "trash") != (row.state == "trashed"):
            driver.move(spec, Place(area, pools.place(row).name), pools.place(row))
            found.moved.append(row.id)
    found.changed = [id for id, change in changes.items() if change]
    with model.database.atomic():
        for id in found.changed:
            Image.update(changes[id]).where(Image.id == id).execute()
        found.back = list(_taken_back(pool, images.values(), files))
        found.left = sorted(name for name in files if not name.endswith("-seed.iso"))
        Pool.update(noted=noted.count).where(Pool.id == pool.id).execute()
        pool.noted = noted.count
        _report(core, pool, found)


def _changed(row: Image, since: Mapping[str, Any], area: str, *, follows: bool) -> dict[str, Any]:
    """What is otherwise by now; an image that no server has is in the trash if its file is (`follows`)."""
    now = {name: since[name] for name in SINCE if name in since}
    if area == "masters":
        now["kind"] = "master"
    if follows and (area == "trash") != (row.state == "trashed"):
        trashed = area == "trash"
        now |= {"state": "trashed", "trashed": time.time()} if trashed else {"state": "ready", "trashed": None}
    return {name: value for name, value in now.items() if value != getattr(row, name)}


def _taken_back(pool: Pool, images: Iterable[Mapping[str, Any]], files: dict[str, str]) -> Iterable[str]:
    """Make the rows of images that are finished, have a file and no row; a child only if its master has one."""
    users = {user.id for user in User.select(User.id)}
    nobodys = _administrator()
    for one in sorted(images, key=lambda one: bool(one["kind"] != "master")):
        name, master = f"{one['id']}.{one['format']}", one["master"]
        orphan = master is not None and not Image.select().where(Image.id == master).exists()
        known = Image.select().where(Image.id == one["id"]).exists()
        if name not in files or one["state"] == "creating" or orphan or known:
            continue
        state = "trashed" if files.pop(name) == "trash" else "ready"
        owner = one["owner"] if one["owner"] in users else nobodys
        values = {column: one[column] for column in COLUMNS}
        if state == "trashed":
            values["trashed"] = one["trashed"] or time.time()
        else:
            values["trashed"] = None
        Image.create(id=one["id"], pool=pool, owner=owner, master=master, state=state, **values)
        yield one["id"]


def _administrator() -> str:
    """Whom an image belongs to whose owner is not there."""
    admin = (User.role == "admin") & (User.enabled == True)  # noqa: E712 - a condition of SQL
    return str(User.select(User.id).where(admin).order_by(User.created).scalar() or SYSTEM.id)


def _report(core: Core, pool: Pool, found: Findings) -> None:
    core.events.emit("pool.recalled", "pools", str(pool.id), **asdict(found))
    if said := found.sentence():
        sentence = f"the database was older than pool {pool.name}: {said}"
        remedy = "the event pool.recalled names each; then `origo issues dismiss`: nothing was removed"
        issues.raise_(
            core.events, f"pool/{pool.id}/recalled", sentence, remedy=remedy, noun="pools", target=str(pool.id)
        )


def _named(ids: list[str]) -> str:
    rows = Image.select(Image.name).where(Image.id.in_(ids[:SHOWN])).order_by(Image.name)
    more = ", …" if len(ids) > SHOWN else ""
    return f" ({', '.join(row.name for row in rows)}{more})"
