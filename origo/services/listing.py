"""Lists in pages: by time of creation, newest first, from a cursor on, at a cost that does not grow with the table."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import peewee

from origo import model
from origo.errors import BadInput, Conflict, NotFound

FEW = 100
"""So many rows are read by their ids; where more match, the next page is full soon."""


@dataclass(frozen=True)
class Page:
    """Which part of a list: at most `limit` rows after `cursor`, whose name contains `q`."""

    limit: int = 50
    cursor: str = ""
    q: str = ""


def page(query: Any, row: Any, asked: Any, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """`query` over `row` as `{"items": […], "next": cursor or ""}`. Raises BadInput for a cursor that is not ours."""
    if asked.cursor:
        created, id = _decode(asked.cursor)
        query = query.where((row.created <= created) & ((row.created < created) | (row.id < id)))
    query = query.order_by(row.created.desc(), row.id.desc()).limit(asked.limit + 1)
    if asked.q:
        query = _search(query, row, asked.q)
    rows = list(query)
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    return {"items": [show(one) for one in rows], "next": _encode(rows[-1].created, rows[-1].id) if more else ""}


def _search(query: Any, row: Any, q: str) -> Any:
    """`query` for the rows whose name contains `q`.

    A part that few names have is looked up by its trigrams. One that many have is met soon in the order of the list:
    it is looked for there, in an index alone, where there is one that has the names; then only what was found is read.
    """
    ids = _few(row, q)
    return query.where(row.id.in_(query.select(row.id).where(row.name.contains(q)) if ids is None else ids))


def _few(row: Any, q: str) -> list[str] | None:
    """The ids of all rows whose name contains `q`; None if there are many, or no trigram tells."""
    if "\0" in q:
        return []  # no name has it, and SQLite reads no further
    if not row.trigrams or len(q) < 3:
        return None
    phrase = '"' + q.replace('"', '""') + '"'
    names = peewee.Table(row.trigrams).bind(model.database)
    found = names.select(names.c.id).where(peewee.Expression(names.c.name, "MATCH", phrase)).limit(FEW + 1)
    ids = [id for (id,) in found.tuples()]
    return ids if len(ids) <= FEW else None


def find(row: Any, noun: str, key: str, actor: Any, *, trashed: bool = False) -> Any:
    """The row that `key` names: an id, or a name among the actor's own, or (administrators) a name that only one has.

    With `trashed` names are looked for in the trash, else outside it. Raises NotFound, also for what is another user's;
    Conflict for a name that several have.
    """
    visible = row.select()
    if hasattr(row, "owner") and not actor.admin:
        visible = visible.where(row.owner == actor.id)
    found = visible.where(row.id == key).first()
    if found is not None:
        return found
    named = visible.where(row.name == key)
    if hasattr(row, "state"):
        named = named.where(row.state == "trashed" if trashed else row.state != "trashed")
    own = list(named.where(row.owner == actor.id).limit(2)) if hasattr(row, "owner") else []
    rows = own or list(named.limit(2))
    if len(rows) > 1:
        raise Conflict(f"cannot tell which {noun} {key} is meant: several have that name", hint="use its id")
    if not rows:
        raise NotFound(f"cannot find {noun} {key}" + (" in the trash" if trashed else ""))
    return rows[0]


def number(key: str) -> int | None:
    """The number that a key is, where it can be one of a row; else None."""
    return int(key) if re.fullmatch("[0-9]{1,18}", key) else None


def check_free(row: Any, noun: str, name: str, owner: Any) -> None:
    """Raise Conflict when `owner` has one of that name that is not in the trash."""
    taken = row.select().where((row.owner == owner) & (row.name == name) & (row.state != "trashed"))
    if taken.exists():
        article = "an" if noun[0] in "aeiou" else "a"
        raise Conflict(
            f"cannot use the name {name}: there is {article} {noun} of that name", hint="choose another name"
        )


def _encode(created: float, id: Any) -> str:
    return base64.urlsafe_b64encode(f"{created!r} {id}".encode()).decode()


def _decode(cursor: str) -> tuple[float, str]:
    try:
        created, id = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ", 1)
        return float(created), id
    except (ValueError, binascii.Error) as error:
        raise BadInput("cannot read the cursor of this list", hint="start again without one") from error
