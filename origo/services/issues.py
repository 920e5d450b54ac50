"""What is wrong now: found, shown with its remedy, ended when it is well again."""

import time
from typing import Any

from origo import model
from origo.errors import NotFound
from origo.model import Issue
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
    end(core, issue.key)


def raise_(
    core: Core,
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
        changed = (
            Issue.update(sentence=sentence, remedy=remedy).where((Issue.key == key) & Issue.ended.is_null()).execute()
        )
        if changed:
            return
        Issue.create(
            key=key, sentence=sentence, remedy=remedy, severity=severity, noun=noun, target=target, owner=owner
        )
        core.events.emit("issue.raised", "issues", key, owner=owner, sentence=sentence, severity=severity)


def end(core: Core, key: str) -> None:
    """Note that it is well again; fine when there is no such issue."""
    with model.database.atomic():
        open_ = (Issue.key == key) & Issue.ended.is_null()
        for issue in Issue.select().where(open_):
            core.events.emit("issue.ended", "issues", key, owner=issue.owner, sentence=issue.sentence)
        Issue.update(ended=time.time()).where(open_).execute()


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
