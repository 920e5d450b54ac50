"""Plain pages without script: set-up, log-in, stacks and operations; the fall-back that always works."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import bottle
from bottle import HTTPResponse

from origo.errors import NotFound, NotLoggedIn, OrigoError
from origo.model import database
from origo.services.throttle import Throttle
from origo.web import answers, doors
from origo.web.application import Application
from origo.web.pages import entrance, setting_up, stacks, work
from origo.web.pages.visit import Visit, local, quoted, style

Handler = Callable[..., HTTPResponse]

SETUP: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/setup/authority.crt", entrance.authority),
    ("GET", "/setup/<key>", setting_up.form),
    ("POST", "/setup/<key>/plan", setting_up.plan),
    ("POST", "/setup/<key>/begin", setting_up.begin),
    ("GET", "/setup/<key>/progress", setting_up.progress),
    ("POST", "/setup/<key>/end", setting_up.end),
)
"""The pages that a new engine has at its machine's own addresses too."""


def add(application: Application) -> None:
    """Add all pages to what nginx reaches."""
    throttle = Throttle()
    for method, path, handler, public in (
        ("GET", "/setup", entrance.setup_form, True),
        ("POST", "/setup", entrance.setup, True),
        ("GET", "/login", entrance.login_form, True),
        ("POST", "/login", functools.partial(entrance.login, throttle), True),
        ("GET", "/entered", entrance.entered, True),
        ("POST", "/logout", entrance.logout, False),
        ("GET", "/authority.crt", entrance.authority, True),
        ("GET", "/enter/<label>", entrance.enter, False),
        ("GET", "/", stacks.index, False),
        ("GET", "/install/<entry>", stacks.install_form, False),
        ("POST", "/install/<entry>", stacks.install, False),
        ("GET", "/stacks/<id>", stacks.show, False),
        ("GET", "/stacks/<id>/delete", stacks.delete_form, False),
        ("POST", "/stacks/<id>/<verb:re:start|stop|delete|undelete>", stacks.act, False),
        ("GET", "/operations/<id>", work.show, False),
        ("POST", "/operations/<id>/<verb:re:cancel|retry|forget>", work.act, False),
    ):
        application.bottle.route(
            path, method, functools.partial(_answer, application, handler, public, (doors.ENGINE,))
        )
    for method, path, page in SETUP:
        answer = functools.partial(_answer, application, page, True, (doors.ENGINE, doors.SETUP))
        application.bottle.route(path, method, answer)
    application.bottle.route("/setup/style.css", "GET", style)
    application.bottle.route("/style.css", "GET", style)
    application.refuse = functools.partial(_refuse, application)


def _answer(
    application: Application, handler: Handler, public: bool, through: Sequence[str], **parameters: str
) -> HTTPResponse:
    environ = bottle.request.environ
    opened = database.connect(reuse_if_open=True)
    visit = Visit.of(application.core, environ)
    try:
        if visit.way.door not in through:
            raise NotFound("cannot find this page here")
        if not visit.actor.id and not public:
            return visit.go(f"/login?next={quoted(_address(environ))}")
        if not visit.actor.id:
            return handler(visit, **parameters)
        with application.places.requests.taken(visit.actor.id):
            return handler(visit, **parameters)
    except OrigoError as problem:
        return failed(visit, problem)
    except Exception:
        return failed(visit, answers.unexpected(environ["REQUEST_METHOD"], environ["PATH_INFO"]))
    finally:
        if opened:
            database.close()


def failed(visit: Visit, problem: OrigoError) -> HTTPResponse:
    """An error as a page."""
    if isinstance(problem, NotLoggedIn):
        return visit.go("/login")
    answer = visit.show("error.html", status=problem.status, title="That did not work", problem=problem)
    if "retry_after" in problem.details:
        answer.set_header("Retry-After", str(problem.details["retry_after"]))
    return answer


def _address(environ: dict[str, Any]) -> str:
    """Where to come back to after the log-in; a form that was sent is not sent again."""
    if environ["REQUEST_METHOD"] != "GET":
        return "/"
    query = environ.get("QUERY_STRING", "")
    return local(environ["PATH_INFO"] + (f"?{query}" if query else ""))


def _refuse(application: Application, problem: bottle.HTTPError) -> HTTPResponse:
    if bottle.request.path.startswith("/api/"):
        return application.refuse_in_json(problem)
    if problem.status_code >= 500:
        answers.unexpected(bottle.request.method, bottle.request.path)
    found = NotFound("cannot find this page", hint="it may have been deleted")
    opened = database.connect(reuse_if_open=True)
    try:
        return failed(Visit.of(application.core, bottle.request.environ), found)
    finally:
        if opened:
            database.close()
