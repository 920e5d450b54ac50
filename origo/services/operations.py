"""Operations as people see them: listed, followed, cancelled, retried, forgotten."""

from typing import Any

from origo.errors import NotFound
from origo.model import OperationRow
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import Actor


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The actor's operations (all, for an administrator), newest first; `active` ones only when asked for."""
    access.require(actor, "operations.list")
    rows = OperationRow.select() if actor.admin else OperationRow.select().where(OperationRow.owner == actor.id)
    if query.active:
        rows = rows.where(OperationRow.status.in_(("queued", "running", "undoing", "stuck")))
    if query.q:
        rows = rows.where(OperationRow.kind.contains(query.q) | (OperationRow.target == query.q))
    return listing.page(rows, OperationRow, listing.Page(query.limit, query.cursor), show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One operation with its steps and its log, and the operations it waits for."""
    access.require(actor, "operations.list")
    row = _find(actor, id)
    lines = core.operations.log(row.id)
    return show_row(row) | {
        "steps": row.steps,
        "waits_for": core.operations.blockers(row.id),
        "log": [{"time": line.time, "text": line.text} for line in lines],
    }


def cancel(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """Undo what an operation has done so far."""
    access.require(actor, "operations.manage")
    return show_row(core.operations.cancel(_find(actor, id).id))


def retry(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """Let a stuck operation go on."""
    access.require(actor, "operations.manage")
    return show_row(core.operations.retry(_find(actor, id).id))


def forget(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """End a stuck operation as it is; what it left in the outside world stays."""
    access.require(actor, "operations.manage")
    return show_row(core.operations.forget(_find(actor, id).id))


def show_row(row: OperationRow) -> dict[str, Any]:
    """An operation as its owner sees it; `progress` from 0 to 1."""
    return {
        "id": row.id,
        "kind": row.kind,
        "noun": row.noun,
        "target": row.target,
        "status": row.status,
        "step": row.step,
        "progress": row.progress,
        "note": row.note,
        "error": row.error,
        "by": row.by,
        "owner": row.owner,
        "created": row.created,
        "started": row.started,
        "ended": row.ended,
    }


def _find(actor: Actor, id: str) -> OperationRow:
    row = OperationRow.get_or_none(OperationRow.id == number) if (number := listing.number(id)) is not None else None
    if row is None or (row.owner != actor.id and not actor.admin):
        raise NotFound(f"cannot find operation {id}")
    return row
