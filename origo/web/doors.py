"""Who asks: through which door a request came, from which origin, and as whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from origo.errors import Forbidden, NotLoggedIn
from origo.operations.core import Core
from origo.services import sessions
from origo.services.access import NOBODY, SYSTEM, Actor

COOKIE = "__Host-origo"
"""Browsers let no other origin set a cookie whose name begins so, and take it over plain http from loopback only."""

LOCAL = "local"
"""The socket that only root may use: requests there act as SYSTEM."""
ENGINE = "engine"
"""The engine's own origin, through nginx."""
STACK = "stack"
"""The engine's few addresses on a stack's origin, through nginx."""
AUTH = "auth"
"""nginx itself asks whether a request may reach a stack."""
SETUP = "setup"
"""The set-up pages of a new engine at its machine's own addresses, through nginx."""

SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Asked:
    """One request's way: the door, the scheme and host as the browser sees them, and where it comes from."""

    door: str
    scheme: str
    host: str
    """With the port, as the client sent it."""
    address: str
    cookie: str

    @property
    def name(self) -> str:
        """The host without its port."""
        return (urlsplit(f"//{self.host}").hostname or "") if self.host else ""

    @property
    def origin(self) -> str:
        """What a browser sends as Origin from a page of this host."""
        return f"{self.scheme}://{self.host}"

    def sibling(self, label: str) -> str:
        """The origin of a stack's page, seen from the engine's."""
        return f"{self.scheme}://{label}.{self.host}"


def asked(environ: Mapping[str, Any], core: Core) -> Asked:
    """What is known of a request before anything is looked up. The door's headers are nginx's, never a client's."""
    if environ.get("origo.door", LOCAL) == LOCAL:
        return Asked(LOCAL, "http", core.config.host_name, "", "")
    door = environ.get("HTTP_X_ORIGO_DOOR", "")
    return Asked(
        door=door if door in (STACK, AUTH, SETUP) else ENGINE,
        scheme=environ.get("HTTP_X_ORIGO_SCHEME", "http"),
        host=environ.get("HTTP_HOST", "").lower(),
        address=environ.get("HTTP_X_ORIGO_ADDRESS", ""),
        cookie=_cookie(environ),
    )


def actor(environ: Mapping[str, Any], core: Core) -> Actor:
    """As whom an API request acts: the engine on the local socket, else whose token or session it carries."""
    way = asked(environ, core)
    if way.door == LOCAL:
        return SYSTEM
    if way.door != ENGINE:
        return NOBODY
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if token:
        if scheme.lower() != "bearer":
            raise NotLoggedIn("cannot log in with this kind of Authorization", hint="send a token as Bearer")
        return sessions.of_token(token.strip())
    if not way.cookie:
        return NOBODY
    found = sessions.of_cookie(way.cookie, way.name)
    if found.id:
        check_origin(environ, way)
    return found


def still(known: Actor, environ: Mapping[str, Any], core: Core) -> bool:
    """Whether a request that goes on for long would act as the same user in the same role if it came now."""
    try:
        now = actor(environ, core)
    except NotLoggedIn:
        return False
    return (now.id, now.role) == (known.id, known.role)


def check_origin(environ: Mapping[str, Any], way: Asked) -> None:
    """Refuse what another origin's page asks in the name of who is logged in here. Raises Forbidden.

    Stacks' pages are the same site as the engine, so that the cookie comes with their requests too.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    origin = environ.get("HTTP_ORIGIN", "")
    unsafe = environ["REQUEST_METHOD"] not in SAFE
    if site not in ("same-origin", "none") or (origin or unsafe) and origin != way.origin:
        raise Forbidden("cannot take this request from another page", hint=f"send it from {way.origin}")


def _cookie(environ: Mapping[str, Any]) -> str:
    found = [part.strip().partition("=") for part in environ.get("HTTP_COOKIE", "").split(";")]
    values = [value for name, _, value in found if name == COOKIE]
    return values[0] if len(values) == 1 else ""
