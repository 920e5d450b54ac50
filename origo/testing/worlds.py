"""A world on disk (database and files) made comparable, and chance taken out of it."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from origo import model

JOURNAL = frozenset({"operation", "operation_log", "event", "migration"})
"""Tables that say what happened, not how things are."""

A_TIME = 1e9
"""Any greater number with a fraction is a time, which no two runs share."""


def snapshot(folder: Path, ignore: Iterable[str] = ()) -> dict[str, str]:
    """Every row (but the journal's) and every file below `folder`, by name; times are left out.

    `ignore` names tables, and files by their path in the folder.
    """
    left_out = JOURNAL | set(ignore)
    facts = {}
    rows: tuple[Any, ...] = model.ROWS
    for row in rows:
        table = row._meta.table_name
        if table not in left_out:
            for found in row.select().dicts():
                facts[f"{table} {found[row._meta.primary_key.name]}"] = repr(
                    {name: _timeless(value) for name, value in found.items()}
                )
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not name.startswith("origo.db") and name not in left_out:
            facts[name] = _describe(path)
    return facts


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


def _timeless(value: Any) -> Any:
    return "a time" if isinstance(value, float) and value > A_TIME else value


def _describe(path: Path) -> str:
    mode = f"{path.lstat().st_mode:o}"
    if path.is_symlink():
        return f"{mode} link to {path.readlink()}"
    if path.is_file():
        return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    return mode
