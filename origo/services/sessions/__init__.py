"""Sessions: browsers that are logged in, each to one origin; a stack's session ends with the engine's it came from."""

import time
from typing import Any

from origo import secrets
from origo.errors import NotFound, NotLoggedIn
from origo.model import Session, Ticket, User, database
from origo.operations.core import Core
from origo.services import listing, users
from origo.services.access import NOBODY, Actor
from origo.services.throttle import Throttle
from origo.services.users import tokens

SESSION_SECONDS = 7 * 86400
"""Since it was last used; it is prolonged once a day at most, and shortened if the clock went back meanwhile."""
DAY = 86400
LONGEST_SECONDS = 30 * 86400
SHOWN = 16
"""Characters of a session's id that are shown and name it."""


def log_in(core: Core, throttle: Throttle, name: str, password: str, address: str) -> tuple[User, str]:
    """The user and a new session's key. Raises NotLoggedIn, the same and as slowly for whatever is wrong; TooMany."""
    with throttle.attempt(name.lower(), address) as attempt:
        user: User | None = User.get_or_none(User.name == name)
        right = core.secrets.verify_password(password, user.password if user is not None else "")
        if user is None or not right or not user.enabled:
            raise NotLoggedIn("cannot log in: name or password is wrong")
        attempt.succeeded()
    return user, begin(core, user)


def begin(core: Core, user: User) -> str:
    """A new session of the engine's own origin for a user who has proven who it is; the key for the cookie."""
    key = secrets.new_key()
    now = time.time()
    with database.atomic():
        Session.delete().where(Session.expires < now).execute()
        Ticket.delete().where(Ticket.expires < now).execute()
        Session.create(
            id=secrets.digest(key), user=user, host=core.config.host_name, created=now, expires=now + SESSION_SECONDS
        )
        core.events.emit("session.began", "users", user.id, owner=user.id, name=user.name)
    return key


def log_out(key: str) -> None:
    """End the session of that cookie, and with it those on the stacks' origins that came from it."""
    Session.delete().where(Session.id == secrets.digest(key)).execute()


def of_cookie(key: str, host: str) -> Actor:
    """Whose session that cookie is on that host; NOBODY if it is none, or has ended."""
    now = time.time()
    row: Session | None = (
        Session.select(Session, User)
        .join(User)
        .where((Session.id == secrets.digest(key)) & (Session.host == host) & (Session.expires > now) & User.enabled)
        .first()
    )
    if row is None:
        return NOBODY
    created = min(row.created, now)
    expires = min(now + SESSION_SECONDS, created + LONGEST_SECONDS)
    if row.parent_id is None and abs(expires - row.expires) > DAY:
        Session.update(created=created, expires=expires).where(Session.id == row.id).execute()
    return Actor(id=row.user.id, name=row.user.name, role=row.user.role)


def of_token(key: str) -> Actor:
    """Whose token that is. Raises NotLoggedIn."""
    user = tokens.owner_of(key)
    if user is None:
        raise NotLoggedIn("cannot log in with this token: it is unknown, has ended, or its user is disabled")
    return Actor(id=user.id, name=user.name, role=user.role)


def list_(core: Core, actor: Actor, id: str, query: Any) -> dict[str, Any]:
    """A user's sessions on the engine's own origin."""
    user = users.find(actor, id, "users.self")
    alive = (Session.user == user) & Session.parent.is_null() & (Session.expires > time.time())
    asked = listing.Page(query.limit, query.cursor)
    return listing.page(Session.select().where(alive), Session, asked, _show)


def end(core: Core, actor: Actor, id: str, session: str) -> None:
    """End one session, and those on stacks' origins that came from it."""
    user = users.find(actor, id, "users.self")
    mine = (Session.user == user) & Session.parent.is_null() & Session.id.startswith(session)
    if len(session) != SHOWN or not Session.delete().where(mine).execute():
        raise NotFound(f"cannot find session {session} of user {user.name}")


def _show(row: Session) -> dict[str, Any]:
    return {"id": row.id[:SHOWN], "created": row.created, "expires": row.expires}
