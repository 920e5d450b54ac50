"""The page of one operation: how far it is, and its log."""

from bottle import HTTPResponse

from origo.services import operations
from origo.web.pages.visit import Visit

REFRESH = 2
VERBS = {"cancel": operations.cancel, "retry": operations.retry, "forget": operations.forget}


def show(visit: Visit, id: str) -> HTTPResponse:
    """One operation."""
    operation = operations.show(visit.core, visit.actor, id)
    busy = operation["status"] in ("queued", "running", "undoing")
    return visit.show("operation.html", title=operation["kind"], refresh=REFRESH if busy else 0, operation=operation)


def act(visit: Visit, id: str, verb: str) -> HTTPResponse:
    """Cancel, retry or forget it."""
    visit.form()
    VERBS[verb](visit.core, visit.actor, id)
    return visit.go(f"/operations/{id}")
