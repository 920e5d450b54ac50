"""The database: one connection for each thread, immediate transactions, every commit on disk before it returns."""

import json
import time
import uuid
from typing import Any

import peewee

database = peewee.DatabaseProxy()


def connect(path: str) -> peewee.SqliteDatabase:
    """Open (or make) the database file at `path` and bind all rows to it."""
    sqlite = peewee.SqliteDatabase(
        path,
        lock_type="IMMEDIATE",
        timeout=30,
        pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -8192},
    )
    database.initialize(sqlite)
    return sqlite


def new_id() -> str:
    """A new id for a row and for what it stands for in the outside world."""
    return str(uuid.uuid4())


class JSONField(peewee.TextField):
    """A column that holds plain JSON data."""

    def db_value(self, value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class Row(peewee.Model):
    """A row without behaviour."""

    class Meta:
        database = database
        legacy_table_names = False


class NounRow(Row):
    """A row with a UUID and a time of creation (seconds since 1970)."""

    id = peewee.CharField(primary_key=True, default=new_id)
    created = peewee.DoubleField(default=time.time, index=True)
