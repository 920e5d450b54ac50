"""A world on disk (database and files) made comparable, and chance taken out of it."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

DATABASE = "origo.db"
JOURNAL = frozenset({"operation", "operation_log", "event", "migration"})
"""Tables that say what happened, not how things are."""

A_TIME = 1e9
"""Any greater number with a fraction is a time, which no two runs share."""


def snapshot(folder: Path, ignore: Iterable[str] = (), loose: Iterable[str] = ()) -> dict[str, str]:
    """Every row (but the journal's) and every file below `folder`, by name, as committed by now; times are left out.

    An index of words is told by what it finds, not by how its own tables hold that.

    `ignore` names tables, and files by their path in the folder; of files that match a pattern in `loose` only
    their presence is told.
    """
    left_out = JOURNAL | set(ignore)
    facts = {}
    with closing(_database(folder)) as database:
        tables = database.execute("SELECT name FROM pragma_table_list WHERE type IN ('table', 'virtual')").fetchall()
        for (table,) in tables:
            if table not in left_out:
                for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 (a name from the schema)
                    facts[f"{table} {row[0]}"] = _describe_row(row)
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not name.startswith(DATABASE) and name not in left_out:
            anything = any(fnmatch.fnmatch(name, pattern) for pattern in loose)
            facts[name] = "there" if anything else _describe_file(path)
    return facts


def fingerprint(folder: Path, outside: Mapping[str, str] | None = None) -> str:
    """A digest of all that a daemon started now would find: the world, and how far each operation is."""
    with closing(_database(folder)) as database:
        journal = database.execute("SELECT id, status, backwards, step, steps, args, data, cancel FROM operation")
        told = repr([journal.fetchall(), snapshot(folder), outside])
    return hashlib.sha256(told.encode()).hexdigest()


def difference(expected: dict[str, str], found: dict[str, str]) -> str:
    """What is not the same, one line for each thing; empty if nothing."""
    names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    return "\n".join(f"  {name}: expected {expected.get(name)}, found {found.get(name)}" for name in names)


def no_chance(seed: str) -> None:
    """From now on this process chooses the same ids, names and keys each time. For a child that will not live on."""
    source = random.Random(seed)  # noqa: S311 (that is the point)
    draw: Callable[[int], bytes] = source.randbytes
    os.urandom = draw
    setattr(random, "_urandom", draw)  # noqa: B010
    random.seed(seed)


def _database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)


def _describe_row(row: tuple[object, ...]) -> str:
    return repr(tuple("a time" if isinstance(value, float) and value > A_TIME else value for value in row))


def _describe_file(path: Path) -> str:
    facts = path.lstat()
    mode = f"{facts.st_mode:o}" + (f" of user {facts.st_uid}" if facts.st_uid != os.geteuid() else "")
    if path.is_symlink():
        return f"{mode} link to {path.readlink()}"
    if path.is_file():
        return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    return mode
