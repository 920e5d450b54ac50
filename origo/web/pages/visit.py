"""One visit of a person's browser: who it is, what the form says, and what a page answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import bottle
from bottle import HTTPResponse

from origo import secrets
from origo.errors import BadInput, Forbidden, TooLarge
from origo.operations.core import Core
from origo.services import sessions
from origo.services.access import NOBODY, Actor
from origo.web import answers, doors
from origo.web.doors import Asked

FORM_LIMIT = 64 << 10
TEMPLATES = Path(__file__).with_name("templates")
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"


@dataclass(frozen=True)
class Visit:
    """A request for a page. `session` is the cookie's key, empty for who is not logged in."""

    core: Core
    environ: dict[str, Any]
    way: Asked
    actor: Actor
    session: str

    @classmethod
    def of(cls, core: Core, environ: dict[str, Any]) -> "Visit":
        """The visit that a request is."""
        way = doors.asked(environ, core)
        actor = sessions.of_cookie(way.cookie, way.name) if way.cookie else NOBODY
        return cls(core, environ, way, actor, way.cookie if actor.id else "")

    @property
    def form_token(self) -> str:
        """What every form of this session carries, and no other page can know."""
        return secrets.digest(f"form {self.session}")[:32] if self.session else ""

    def query(self, name: str) -> str:
        """A parameter of the address, or an empty text."""
        try:
            return str(dict(parse_qsl(self.environ.get("QUERY_STRING", ""), max_num_fields=20)).get(name, ""))
        except ValueError:
            raise BadInput("cannot read the query of this address") from None

    def form(self) -> dict[str, str]:
        """The fields of the form that was sent from one of our own pages. Raises Forbidden, BadInput, TooLarge."""
        doors.check_origin(self.environ, self.way)
        length = self.environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > FORM_LIMIT:
            raise TooLarge("cannot take a form of that size")
        if not self.environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            raise BadInput("cannot read the form: it is not sent as forms are")
        try:
            text = self.environ["wsgi.input"].read(int(length)).decode()
            fields = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100))
        except ValueError:
            raise BadInput("cannot read the form") from None
        if not secrets.same(fields.pop("token", ""), self.form_token):
            raise Forbidden("cannot take this form: it was made for another log-in", hint="go back and send it again")
        return fields

    def show(
        self, template: str, *, status: int = 200, refresh: int = 0, frames: str = "", **values: Any
    ) -> HTTPResponse:
        """A page; `refresh` reloads it after so many seconds, `frames` is the origin that it may show in a frame."""
        text = bottle.template(
            template, template_lookup=[str(TEMPLATES)], visit=self, refresh=refresh, styles=self.styles, **values
        )
        around = f"'self' {self.engine}" if self.way.door == doors.STACK else "'none'"
        policy = f"{POLICY}; frame-ancestors {around}" + (f"; frame-src 'self' {frames}" if frames else "")
        headers = answers.SECURITY | {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "Origin-Agent-Cluster": "?1",
        }
        return HTTPResponse(str(text).encode(), status, headers)

    @property
    def engine(self) -> str:
        """The engine's own origin, seen from a stack's."""
        return f"{self.way.scheme}://{self.way.host.partition('.')[2]}"

    @property
    def styles(self) -> str:
        """Where the style sheet is on this origin."""
        return {doors.STACK: "/.origo/style.css", doors.SETUP: "/setup/style.css"}.get(self.way.door, "/style.css")

    def go(self, path: str, *, cookie: str | None = None) -> HTTPResponse:
        """Lead the browser to another page; `cookie` becomes (or, empty, ends) this origin's session."""
        answer = HTTPResponse(b"", 303, answers.SECURITY | {"Location": path})
        if cookie is not None:
            age = "; Max-Age=0" if not cookie else ""
            answer.add_header("Set-Cookie", f"{doors.COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax{age}")
        return answer


def local(path: str) -> str:
    """The path if it leads to a page of the same origin, else the first page."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if fine and len(path) <= 2000 else "/"


def quoted(path: str) -> str:
    """A path as the value of a parameter."""
    return quote(path, safe="")


def style() -> HTTPResponse:
    """The style sheet."""
    headers = answers.SECURITY | {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300"}
    return HTTPResponse((TEMPLATES / "style.css").read_bytes(), 200, headers)
