"""The pages of stacks: the list, installing, starting, stopping, deleting, and a stack's own page in a frame."""

from types import SimpleNamespace
from typing import Any

from bottle import HTTPResponse
from pydantic import ValidationError

from origo.api.stacks import Install
from origo.errors import BadInput, OrigoError
from origo.services import catalog, operations, stacks
from origo.web.pages.visit import Visit

REFRESH = 2
SHOWN = 200
SANDBOX = (
    "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals "
    "allow-downloads allow-pointer-lock"
)
"""What a stack's page may do in our frame: all but to lead the engine's own tab elsewhere, say to a false log-in."""
BUSY = ("queued", "running", "undoing")
VERBS = {"start": stacks.start, "stop": stacks.stop, "delete": stacks.delete, "undelete": stacks.undelete}


def index(visit: Visit) -> HTTPResponse:
    """All stacks with their state, what can be installed, and what is going on."""
    core, actor = visit.core, visit.actor
    found = stacks.list_(core, actor, _query(trash=False))["items"]
    trashed = stacks.list_(core, actor, _query(trash=True))["items"]
    entries = catalog.list_(core, actor, _query())["items"]
    working = operations.list_(core, actor, _query(active=True))["items"]
    failed = [one for one in operations.list_(core, actor, _query(limit=5))["items"] if one["error"]]
    moving = any(stack["power"] in ("starting", "stopping") for stack in found)
    busy = any(one["status"] in BUSY for one in working)
    return visit.show(
        "index.html", title="Stacks", refresh=REFRESH if busy or moving else 0, stacks=found, trashed=trashed,
        entries=entries, working=working, failed=[one for one in failed if one not in working], names=_names(found),
    )  # fmt: skip


def install_form(visit: Visit, entry: str) -> HTTPResponse:
    """What a stack asks before it is installed."""
    return _install_page(visit, catalog.show(visit.core, visit.actor, entry), {}, None)


def install(visit: Visit, entry: str) -> HTTPResponse:
    """Install a stack; the answers come from the form's fields."""
    fields = visit.form()
    found = catalog.show(visit.core, visit.actor, entry)
    given = {name.removeprefix("answer."): value for name, value in fields.items() if name.startswith("answer.")}
    for question in found["questions"]:
        if question["type"] == "boolean":  # a box that is not ticked is not sent at all
            given.setdefault(question["name"], "false")
    try:
        name = fields.get("name", "").strip() or None
        body = Install.model_validate({"stack": found["id"], "name": name, "answers": given})
        stacks.install(visit.core, visit.actor, body)
    except ValidationError:
        wrong = BadInput(
            "cannot use this name",
            hint="it is 1 to 63 letters, digits, dots, dashes or underscores, and begins with a letter or digit",
        )
        return _install_page(visit, found, fields, wrong)
    except OrigoError as problem:
        return _install_page(visit, found, fields, problem)
    return visit.go("/")


def show(visit: Visit, id: str) -> HTTPResponse:
    """A stack's own page, in a frame of ours."""
    stack = stacks.show(visit.core, visit.actor, id)
    inside = visit.way.sibling(stack["label"])
    return visit.show("stack.html", title=stack["name"], stack=stack, frames=inside, sandbox=SANDBOX, wide=True)


def delete_form(visit: Visit, id: str) -> HTTPResponse:
    """What deleting would do, and the question whether to do it."""
    stack = stacks.show(visit.core, visit.actor, id)
    plan = stacks.delete(visit.core, visit.actor.asking(plan=True, key=None), id).as_dict()
    return visit.show("delete.html", title=f"Delete {stack['name']}?", stack=stack, plan=plan)


def act(visit: Visit, id: str, verb: str) -> HTTPResponse:
    """Start, stop, delete or undelete."""
    visit.form()
    VERBS[verb](visit.core, visit.actor, id)
    return visit.go("/")


def _install_page(visit: Visit, entry: Any, fields: dict[str, str], problem: OrigoError | None) -> HTTPResponse:
    status = problem.status if problem else 200
    return visit.show(
        "install.html", status=status, title=f"Install {entry['title']}", entry=entry, fields=fields, problem=problem
    )


def _names(found: list[dict[str, Any]]) -> dict[str, str]:
    return {stack["id"]: stack["name"] for stack in found}


def _query(**more: Any) -> Any:
    return SimpleNamespace(**({"limit": SHOWN, "cursor": "", "q": ""} | {"active": False} | more))
