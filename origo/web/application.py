"""The bottle application: every route of the table becomes an address that answers in JSON."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import bottle
from bottle import HTTPResponse

from origo.api.route import Kind, Route
from origo.errors import BadInput, NotFound, NotLoggedIn, OrigoError, WrongMethod
from origo.model import database
from origo.operations.core import Core
from origo.services import operations
from origo.services.access import Actor
from origo.web import answers, doors, openapi, reading
from origo.web.slots import Slots
from origo.web.streams import Stream

PREFIX = "/api/v1"
PARAMETER_LIMIT = 200
ENDED = ("done", "undone", "stuck")


class Places:
    """The places for requests, streams and waits behind one socket, and whether it is about to close."""

    def __init__(self, requests: Slots, streams: Slots, waits: Slots) -> None:
        self.requests = requests
        self.streams = streams
        self.waits = waits
        self.stopping = False


class Application:
    """Answers API requests. `door` says which socket it serves; others add their own addresses to `bottle`."""

    def __init__(self, core: Core, routes: Sequence[Route], places: Places, door: str) -> None:
        self.core = core
        self.routes = routes
        self.places = places
        self.door = door
        self.bottle = bottle.Bottle(catchall=True)
        self.refuse: Callable[[bottle.HTTPError], HTTPResponse] = self.refuse_in_json
        """Answers what bottle refuses by itself: an address or a method that is not there."""
        self.bottle.default_error_handler = lambda problem: self.refuse(problem)
        for route in routes:
            self._add(route)
        self.bottle.route(f"{PREFIX}/openapi.json", "GET", lambda: answers.raw_json(self.document))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ["origo.door"] = self.door
        return self.bottle(environ, start_response)

    @functools.cached_property
    def document(self) -> bytes:
        """What the API is, as OpenAPI tells it; made for who asks, since it would make each start longer."""
        return openapi.document(self.routes, PREFIX)

    def _add(self, route: Route) -> None:
        path = PREFIX + re.sub(r"\{(\w+)\}", r"<\1>", route.path)
        self.bottle.route(path, route.method, lambda **parameters: self._answer(route, parameters))

    def _answer(self, route: Route, parameters: dict[str, str]) -> HTTPResponse:
        environ = bottle.request.environ
        opened = database.connect(reuse_if_open=True)
        try:
            return self._perform(route, parameters, environ)
        except OrigoError as problem:
            return answers.error(problem)
        except OverflowError:  # the database has no room for such a number
            return answers.error(BadInput("cannot use this request: a number in it is too large"))
        except Exception:
            return answers.error(answers.unexpected(environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        finally:
            if opened:
                database.close()

    def _perform(self, route: Route, parameters: dict[str, str], environ: dict[str, Any]) -> HTTPResponse:
        actor = doors.actor(environ, self.core)
        if not actor.id and not route.public:
            raise NotLoggedIn("cannot do this without logging in", hint="log in, or send a token")
        with self.places.requests.taken(actor.id):
            return self._perform_as(actor, route, parameters, environ)

    def _perform_as(
        self, actor: Actor, route: Route, parameters: dict[str, str], environ: dict[str, Any]
    ) -> HTTPResponse:
        if any(len(value) > PARAMETER_LIMIT or not value.isprintable() for value in parameters.values()):
            raise BadInput("cannot use this address: an id in it is too long or has strange signs")
        found, plan, wait = reading.query(environ, changes=route.kind is Kind.CHANGE)
        if route.kind is Kind.STREAM and "HTTP_LAST_EVENT_ID" in environ:
            found["after"] = environ["HTTP_LAST_EVENT_ID"]
        given: dict[str, Any] = dict(parameters)
        if (query := reading.parameters(found, route.query)) is not None:
            given["query"] = query
        if (body := reading.body(environ, route.body)) is not None:
            given["body"] = body
        if route.kind is Kind.STREAM:
            return self._stream(route, actor, given)
        if route.kind is not Kind.CHANGE:
            return answers.json(route.verb(self.core, actor, **given))
        actor = actor.asking(plan=plan, key=reading.key(environ, body, self.core.secrets.digest))
        return self._changed(actor, self._earlier(actor) or route.verb(self.core, actor, **given), wait)

    def _earlier(self, actor: Actor) -> Any:
        """What the same request came to before; looked for first, since what it names may be gone by now."""
        return None if actor.plan else self.core.operations.earlier(actor.id, actor.key)

    def _changed(self, actor: Actor, result: Any, wait: int) -> HTTPResponse:
        if actor.plan:
            return answers.json(result.as_dict())
        if wait and result.status not in ENDED:
            with self.places.waits.taken(actor.id):
                result = self._waited(result, wait)
        status = 200 if result.status in ENDED else 202
        return answers.json(operations.show_row(result), status, {"Location": f"{PREFIX}/operations/{result.id}"})

    def _waited(self, result: Any, seconds: int) -> Any:
        """Wait in pieces, so that a stop of the engine need not wait for all of it."""
        for _ in range(seconds):
            result = self.core.operations.wait(result.id, 1.0)
            if result.status in ENDED or self.places.stopping:
                break
        return result

    def _stream(self, route: Route, actor: Actor, given: dict[str, Any]) -> HTTPResponse:
        places = self.places
        places.streams.take(actor.id)
        try:
            events = iter(route.verb(self.core, actor, **given))
        except BaseException:
            places.streams.give_back(actor.id)
            raise
        environ = bottle.request.environ
        gone = environ.get("origo.gone", lambda: False)
        stream = Stream(
            events,
            stopping=lambda: places.stopping or gone(),
            welcome=lambda: doors.still(actor, environ, self.core),
            ended=lambda: places.streams.give_back(actor.id),
        )
        headers = answers.SECURITY | {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        return HTTPResponse(stream, 200, headers)

    def refuse_in_json(self, problem: bottle.HTTPError) -> HTTPResponse:
        """Such a refusal in the shape of all errors."""
        method, path = bottle.request.method, bottle.request.path
        if problem.status_code == 404:
            return answers.error(
                NotFound(f"cannot find {_shown(path)}", hint="the document /api/v1/openapi.json has all")
            )
        if problem.status_code == 405:
            answer = answers.error(WrongMethod(f"cannot use {method} on {_shown(path)}"))
            answer.set_header("Allow", problem.get_header("Allow", ""))
            return answer
        if problem.status_code < 500:
            return answers.error(BadInput("cannot read the address of this request"))
        return answers.error(answers.unexpected(method, path))


def _shown(path: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in path)[:200]
