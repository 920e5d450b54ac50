"""How the database became what it is: an ordered list of changes that only ever grows at its end.

A change is frozen: it never imports today's rows. Until the first release `0001-first` is still edited in place.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import peewee

from origo.errors import Conflict, NoRoom, OrigoError, Unavailable, reason
from origo.model.base import database
from origo.model.engine import Migration
from origo.model.migrations import m0001_first

Change = Callable[[peewee.Database], None]

MIGRATIONS: tuple[tuple[str, Change], ...] = (("0001-first", m0001_first.apply),)
"""All changes in order; append only, and never another name."""


def migrate(changes: Sequence[tuple[str, Change]] = MIGRATIONS) -> list[str]:
    """Bring the connected database up to date; the names of the changes that were made.

    Before a database that is in use is changed, a copy is put beside it. Each change and its record are one
    transaction, so that after a crash the rest is made at the next start. Raises Conflict if a newer program had it,
    Unavailable for one that cannot be read.
    """
    applied = _applied()
    unknown = newer(applied, changes)
    if unknown:
        raise Conflict(
            f"cannot open the database {_file()}: it belongs to a newer version of Origo, which made {unknown[-1]}",
            hint="install that version again, or restore the copy that was made before: it lies beside the database",
        )
    missing = [(name, change) for name, change in changes if name not in applied]
    if missing and applied:
        _copy(f"{_file()}.before-{missing[0][0]}")
    for name, change in missing:
        _apply(name, change)
    return [name for name, _ in missing]


def newer(applied: Iterable[str], changes: Sequence[tuple[str, Change]] = MIGRATIONS) -> list[str]:
    """Those of the changes that a database had which only a newer program knows, in their order."""
    return sorted(set(applied) - {name for name, _ in changes})


def _applied() -> set[str]:
    try:
        if not database.table_exists(Migration._meta.table_name):
            return set()
        return {row.name for row in Migration.select()}
    except peewee.DatabaseError as error:
        raise Unavailable(
            f"cannot open the database {_file()}: {error}",
            hint="if it is damaged, restore a copy: one that was made before an upgrade lies beside it",
        ) from error


def _apply(name: str, change: Change) -> None:
    # SQLite cannot rebuild a table that others refer to while it enforces references; they are checked at the end.
    database.execute_sql("PRAGMA foreign_keys = OFF")
    try:
        with database.atomic():
            change(database.obj)
            Migration.create(name=name, applied=time.time())
            if broken := database.execute_sql("PRAGMA foreign_key_check").fetchall():
                raise OrigoError(
                    f"cannot make the change {name} of the database: it breaks references of {broken[0][0]}"
                )
    finally:
        database.execute_sql("PRAGMA foreign_keys = ON")


def _copy(target: str) -> None:
    """Copy the whole database, also what is still in its log, and make sure that the copy is on disk. Raises NoRoom."""
    unfinished = Path(f"{target}.part")
    unfinished.unlink(missing_ok=True)
    try:
        _write_copy(unfinished)
        unfinished.rename(target)
    except (sqlite3.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise NoRoom(
            f"cannot copy the database before its upgrade: {reason(error)}",
            hint="free some space on the disk that has the engine's home: the copy takes as much as the database",
        ) from error


def _write_copy(file: Path) -> None:
    copy = sqlite3.connect(file)
    try:
        file.chmod(0o600)
        database.connection().backup(copy)
    finally:
        copy.close()
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _file() -> str:
    return str(database.obj.database)
