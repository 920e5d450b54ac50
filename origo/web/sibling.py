"""What nginx asks about stacks' origins, and the few addresses there that are the engine's."""

from typing import Any

import bottle
from bottle import HTTPResponse

from origo.errors import Forbidden, NotFound, NotLoggedIn, OrigoError, Unavailable
from origo.model import database
from origo.services import front, sessions
from origo.services.sessions import entering
from origo.web import answers, doors
from origo.web.application import Application
from origo.web.pages.visit import Visit, local, quoted, style

ALLOWED_SECONDS = 2
REFUSED_SECONDS = 1
REFRESH = 2


def add(application: Application) -> None:
    """Add these addresses to what nginx reaches."""
    for path, door, handler in (
        ("/internal/auth", doors.AUTH, auth),
        ("/.origo/enter", doors.STACK, enter),
        ("/.origo/entered", doors.STACK, entered),
        ("/.origo/answer", doors.STACK, answer),
        ("/.origo/style.css", doors.STACK, lambda visit: style()),
    ):
        application.bottle.route(path, "GET", _handler(application, door, handler))


def auth(visit: Visit) -> HTTPResponse:
    """Where nginx may lead a request of this label and session: 200 with the upstream, 401, or 403 with the reason."""
    environ = visit.environ
    label, session = environ.get("HTTP_X_ORIGO_LABEL", ""), environ.get("HTTP_X_ORIGO_SESSION", "")
    actor = sessions.of_cookie(session, f"{label}.{visit.core.config.host_name}") if session else None
    if actor is None or not actor.id:
        return _verdict(401, "enter", REFUSED_SECONDS)
    try:
        found = front.upstream(label)
    except NotFound:
        return _verdict(403, "unknown", REFUSED_SECONDS)
    if found.owner != actor.id and not actor.admin:
        return _verdict(403, "forbidden", REFUSED_SECONDS)
    if not found.address:
        return _verdict(403, "off", 0)
    return _verdict(200, "", ALLOWED_SECONDS, found.address)


def enter(visit: Visit) -> HTTPResponse:
    """Turn the ticket into this origin's own session."""
    label = visit.environ["HTTP_X_ORIGO_LABEL"]
    path = local(visit.query("path")) if visit.query("path") else front.upstream(label).path
    try:
        key = entering.enter(visit.core, visit.query("ticket"), label)
    except Forbidden:
        # A page that was reloaded with its old ticket: whoever is in stays in, the others are led in once more.
        return visit.go(path) if visit.actor.id else _lead_in(visit, label, path)
    return visit.go(f"/.origo/entered?path={quoted(path)}", cookie=key)


def entered(visit: Visit) -> HTTPResponse:
    """Whether the browser kept the cookie; one that did not would be led around for ever."""
    if visit.actor.id:
        return visit.go(local(visit.query("path")))
    return visit.show("cookie.html", status=400, title="Your browser kept no cookie")


def answer(visit: Visit) -> HTTPResponse:
    """What a browser gets instead of a stack's page: the way in, or why not."""
    environ = visit.environ
    label, reason = environ.get("HTTP_X_ORIGO_LABEL", ""), environ.get("HTTP_X_ORIGO_REASON", "")
    page = _wants_page(environ)
    if reason == "enter":
        if page:
            return _lead_in(visit, label, environ.get("HTTP_X_ORIGO_PATH", "/"))
        raise NotLoggedIn("cannot show this page without logging in", hint=f"log in at {visit.engine}")
    if reason == "unknown":
        raise NotFound("cannot find a stack at this address", hint=f"see your stacks at {visit.engine}")
    if reason not in ("off", "down"):
        raise Forbidden("cannot show this page: it is another user's, or another page asked for it")
    found = front.upstream(label)
    if not page:
        raise Unavailable(f"cannot reach {found.name}: it is not up", details={"retry_after": REFRESH})
    off = reason == "off" and found.power == "stopped"
    title = f"{found.name} is {'stopped' if off else 'starting…'}"
    shown = visit.show("starting.html", status=503, refresh=REFRESH, title=title, off=off, engine=visit.engine)
    shown.set_header("Retry-After", str(REFRESH))
    return shown


def _lead_in(visit: Visit, label: str, path: str) -> HTTPResponse:
    """To the engine, which gives a ticket to whoever may come in."""
    return visit.go(f"{visit.engine}/enter/{label}?path={quoted(local(path))}")


def _verdict(status: int, reason: str, seconds: int, address: str = "") -> HTTPResponse:
    headers = {"X-Accel-Expires": str(seconds), "Content-Type": "text/plain"}
    if reason:
        headers["X-Origo-Reason"] = reason
    if address:
        headers["X-Origo-Upstream"] = address
    return HTTPResponse(b"", status, headers)


def _wants_page(environ: dict[str, Any]) -> bool:
    mode = environ.get("HTTP_SEC_FETCH_MODE")
    return mode == "navigate" if mode else "text/html" in environ.get("HTTP_ACCEPT", "")


def _handler(application: Application, door: str, handler: Any) -> Any:
    def run() -> HTTPResponse:
        environ = bottle.request.environ
        opened = database.connect(reuse_if_open=True)
        visit = Visit.of(application.core, environ)
        try:
            if visit.way.door != door:
                raise NotFound("cannot find this page here")
            found: HTTPResponse = handler(visit)
            return found
        except OrigoError as problem:
            return _failed(visit, problem)
        except Exception:
            return _failed(visit, answers.unexpected(environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        finally:
            if opened:
                database.close()

    return run


def _failed(visit: Visit, problem: OrigoError) -> HTTPResponse:
    if not _wants_page(visit.environ):
        return answers.error(problem)
    return visit.show("error.html", status=problem.status, title="That did not work", problem=problem)
