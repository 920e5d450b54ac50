"""The database: one connection for each thread, immediate transactions, every commit on disk before it returns."""

import contextlib
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peewee

from origo import reserve
from origo.errors import NoRoom

database = peewee.DatabaseProxy()

PATIENCE = 30
"""Seconds that a writer waits for the others."""
CHANGES = ("INSERT", "UPDATE", "DELETE")
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""What SQLite says when its disk is full: while it writes, and while it opens the database."""


class Database(peewee.SqliteDatabase):
    """Writers of this process stand in line: SQLite's own waiting is polling, where the unlucky wait for seconds.

    On a full disk, changes take the room that is kept back in the home, which is the folder of the file. What finds
    none even so raises NoRoom.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._turn = threading.Lock()
        self._mine = threading.local()

    def begin(self, lock_type: str | None = None) -> None:
        """Wait for the turn, and have it until the transaction ends."""
        if not self._turn.acquire(timeout=PATIENCE):
            raise peewee.OperationalError(f"another thread has been writing for {PATIENCE} s")
        try:
            reserve.before_a_change(self._home)
            self._twice(super().begin, lock_type)
        except BaseException:
            self._turn.release()
            raise
        self._mine.turn = True

    def commit(self) -> None:
        with self._room():
            super().commit()
        self._end_turn()

    def rollback(self) -> None:
        connection: Any = super().connection
        try:
            if connection().in_transaction:  # on a full disk SQLite has rolled back by itself
                super().rollback()
        finally:
            self._end_turn()

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """A change outside of a transaction takes its turn too, and none is made in one that SQLite has rolled back."""
        execute: Any = super().execute_sql
        connection: Any = super().connection
        if self.in_transaction():
            if connection().in_transaction:
                with self._room():
                    return execute(sql, params)
            if sql.startswith("ROLLBACK TO"):
                return None
            raise peewee.OperationalError("this transaction was rolled back, since its disk was full or failed")
        with self._turn if sql.startswith(CHANGES) else contextlib.nullcontext():
            return self._twice(execute, sql, params)

    @property
    def _home(self) -> Path:
        return Path(str(self.database)).parent

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except peewee.OperationalError as error:
            if isinstance(error.__context__, sqlite3.Error) and error.__context__.sqlite_errorcode in FULL:
                reserve.give(self._home)
                raise NoRoom(
                    "cannot write to the engine's database: its disk is full",
                    hint="free some space on the disk that has the engine's home",
                ) from error
            raise

    def _twice(self, do: Callable[..., Any], *given: Any) -> Any:
        """Do what may be tried again, since nothing of it is kept when it fails: with what is kept back if need be."""
        with contextlib.suppress(NoRoom), self._room():
            return do(*given)
        with self._room():
            return do(*given)

    def _end_turn(self) -> None:
        if getattr(self._mine, "turn", False):
            self._mine.turn = False
            self._turn.release()


def connect(path: str) -> peewee.SqliteDatabase:
    """Open (or make) the database file at `path` and bind all rows to it; nobody else on the machine may read it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for part in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(part).chmod(0o600)
    sqlite = Database(
        path,
        lock_type="IMMEDIATE",
        timeout=PATIENCE,
        pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -8192},
    )
    database.initialize(sqlite)
    return sqlite


def dump() -> bytes:
    """The whole database as it is committed now, as the content of a file."""
    copy = sqlite3.connect(":memory:")
    try:
        database.connection().backup(copy)
        return copy.serialize()
    finally:
        copy.close()


def dumped(content: bytes, table: type[peewee.Model], *columns: str) -> list[tuple[Any, ...]]:
    """Those columns of all rows of a table, as they are stored, in the content of a database's file."""
    copy = sqlite3.connect(":memory:")
    try:
        # Bytes 18 and 19 say that there may be a log beside the file, which memory cannot have.
        copy.deserialize(content[:18] + b"\1\1" + content[20:])
        found: list[tuple[Any, ...]] = copy.execute(
            f'SELECT {", ".join(columns)} FROM "{table._meta.table_name}"'  # noqa: S608 - names of ours
        ).fetchall()
    finally:
        copy.close()
    return found


def new_id() -> str:
    """A new id for a row and for what it stands for in the outside world."""
    return str(uuid.uuid4())


class JSONField(peewee.TextField):
    """A column that holds plain JSON data."""

    def db_value(self, value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class Select(peewee.ModelSelect):
    """A query whose rows are all read before the first is looked at.

    A loop over rows that are still being read holds its view of the database; once another thread has written, SQLite
    refuses every change in that loop at once ("database is locked").
    """

    def __iter__(self) -> Iterator[Any]:
        len(self)
        return iter(super().__iter__())


class Row(peewee.Model):
    """A row without behaviour; `trigrams` is the table that finds its names by any part of them, where there is one."""

    trigrams = ""

    if not TYPE_CHECKING:  # the type stays that of peewee's own

        @classmethod
        def select(cls, *fields: Any) -> Select:
            """A query for these columns, or for whole rows."""
            return Select(cls, fields or cls._meta.sorted_fields, is_default=not fields)

    class Meta:
        database = database
        legacy_table_names = False


class NounRow(Row):
    """A row with a UUID and a time of creation (seconds since 1970)."""

    id = peewee.CharField(primary_key=True, default=new_id)
    created = peewee.DoubleField(default=time.time, index=True)
