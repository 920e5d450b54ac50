"""What is wrong now: found, shown with its remedy, ended when it is well again."""

import time
from collections.abc import Container
from typing import Any

from origo import model, supervise
from origo.errors import NotFound
from origo.events import Events
from origo.model import Issue, OperationRow
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import Actor


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The issues that are open; an ordinary user sees those about own things."""
    access.require(actor, "issues.list")
    rows = Issue.select().where(Issue.ended.is_null())
    rows = rows if actor.admin else rows.where(Issue.owner == actor.id)
    if query.q:
        rows = rows.where(Issue.sentence.contains(query.q))
    return listing.page(rows, Issue, listing.Page(query.limit, query.cursor), show_row)


def dismiss(core: Core, actor: Actor, id: str) -> None:
    """Close an issue by hand; it comes back if the trouble does."""
    access.require(actor, "issues.manage")
    issue = Issue.get_or_none((Issue.id == id) & Issue.ended.is_null())
    if issue is None:
        raise NotFound(f"cannot find issue {id}")
    end(core.events, issue.key)


def of_service(events: Events, name: str, sentence: str) -> None:
    """Note that a program which must run has died, or (no sentence) works again."""
    if sentence:
        where = f"`journalctl -u origo-{name}`" if supervise.runs_us() else f"{name}.log in the home's run/services"
        remedy = f"it is started again by itself; {where} says why"
        raise_(events, f"service/{name}", sentence, remedy=remedy)
    else:
        end(events, f"service/{name}")


def of_operation(events: Events, row: OperationRow) -> None:
    """Note that an operation is stuck, or is not any more."""
    key = f"operation/{row.id}"
    if row.status != "stuck":
        end(events, key)
        return
    said = row.error["message"] if row.error else f"cannot finish {row.kind}"
    remedy = f"origo operations retry {row.id}, or origo operations forget {row.id}"
    raise_(events, key, said, remedy=remedy, severity="error", noun="operations", target=str(row.id), owner=row.owner)


def raise_(
    events: Events,
    key: str,
    sentence: str,
    *,
    remedy: str = "",
    severity: str = "warning",
    noun: str = "",
    target: str = "",
    owner: str = "",
) -> None:
    """Note that something is wrong; the same `key` again changes the sentence of the open one."""
    with model.database.atomic():
        same = (Issue.key == key) & Issue.ended.is_null()
        if Issue.update(sentence=sentence, remedy=remedy).where(same).execute():
            return
        about = {"noun": noun, "target": target, "owner": owner}
        Issue.create(key=key, sentence=sentence, remedy=remedy, severity=severity, **about)
        events.emit("issue.raised", "issues", key, owner=owner, sentence=sentence, severity=severity)


def end(events: Events, key: str) -> None:
    """Note that it is well again; fine when there is no such issue."""
    with model.database.atomic():
        same = (Issue.key == key) & Issue.ended.is_null()
        for issue in Issue.select().where(same):
            events.emit("issue.ended", "issues", key, owner=issue.owner, sentence=issue.sentence)
        Issue.update(ended=time.time()).where(same).execute()


def open_below(prefix: str) -> list[str]:
    """The keys of the open issues that begin so, without that beginning."""
    rows = Issue.select(Issue.key).where(Issue.key.startswith(prefix) & Issue.ended.is_null())
    return [row.key.removeprefix(prefix) for row in rows]


def end_others(events: Events, prefix: str, still: Container[str]) -> None:
    """End the open issues whose keys begin so, but for those that are `still` true, by the rest of their keys."""
    for rest in open_below(prefix):
        if rest not in still:
            end(events, f"{prefix}{rest}")


def show_row(issue: Issue) -> dict[str, Any]:
    """An issue as a person sees it."""
    return {
        "id": issue.id,
        "severity": issue.severity,
        "noun": issue.noun,
        "target": issue.target,
        "sentence": issue.sentence,
        "remedy": issue.remedy,
        "created": issue.created,
    }
