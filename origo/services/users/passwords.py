"""How a user comes to a password: set by oneself or an administrator, or by a link that is good once."""

import time
from typing import Any

from origo import secrets
from origo.errors import BadInput, Conflict, Forbidden, NotFound
from origo.model import Session, Ticket, User, database
from origo.operations.core import Core
from origo.services import access, engine, users
from origo.services.access import SYSTEM, Actor
from origo.services.engine import door
from origo.services.images import folders
from origo.services.throttle import Throttle

SHORTEST, LONGEST = 10, 200
LINK_SECONDS = 24 * 3600
SETUP = "setup"
_presents = Throttle("set the password")


def change(core: Core, actor: Actor, id: str, body: Any) -> None:
    """Set a password; users who set their own must know the present one. All the user's sessions and links end."""
    user = users.find(actor, id, "users.self")
    if user.id == SYSTEM.id:
        raise Forbidden("cannot set a password for user system: it is the engine itself")
    if user.id == actor.id and user.password:
        with _presents.attempt("", user.id) as attempt:
            if not core.secrets.verify_password(body.current, user.password):
                raise BadInput("cannot set the password: the present one is wrong")
            attempt.succeeded()
    _set(core, user, hashed(core, user.name, body.password))


def hashed(core: Core, name: str, password: str) -> str:
    """The hash of a password that is good enough. Raises BadInput."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"cannot use this password: it must have {SHORTEST} to {LONGEST} characters")
    if password.lower() == name.lower() or len(set(password)) < 4:
        raise BadInput("cannot use this password: it is too easy to guess", hint="use several words")
    return core.secrets.hash_password(password)


def link(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """A link, good once and for a day, by which a user sets a new password; earlier ones end."""
    access.require(actor, "users.manage")
    user = users.find(actor, id, "users.manage")
    if user.id == SYSTEM.id:
        raise Forbidden("cannot make a link for user system: it is the engine itself")
    with database.atomic():
        return _answer(new_link(core, user))


def setup_link(core: Core, actor: Actor) -> dict[str, Any]:
    """The link by which the first administrator is made; only for root at the machine. Raises Conflict later on."""
    access.require(actor, "users.manage")
    access.only_here(actor)
    if has_administrator():
        raise Conflict(
            "cannot make a set-up link: there is an administrator already",
            hint="origo users reset-admin gives an administrator a new password",
        )
    if not engine.awaits_setup(core):
        with database.atomic():
            return _answer(new_link(core, None))
    with database.atomic():
        key = new_ticket(None)
    return _answer(door.url(core, key))


def reset_admin(core: Core, actor: Actor, body: Any) -> dict[str, Any]:
    """A link by which an administrator (the only one, or the one named) sets a new password; only for root here."""
    access.require(actor, "users.manage")
    access.only_here(actor)
    with database.atomic():
        admins = User.select().where((User.role == "admin") & (User.id != SYSTEM.id))
        found = list(admins.where(User.name == body.name) if body.name else admins)
        if not found:
            raise NotFound(
                f"cannot find administrator {body.name}".rstrip(), hint="origo users setup-link makes the first one"
            )
        if len(found) > 1:
            raise Conflict("cannot tell which administrator is meant: there are several", hint="name one")
        found[0].enabled = True
        found[0].save()
        return _answer(new_link(core, found[0])) | {"name": found[0].name}


def has_administrator() -> bool:
    """Whether anybody can log in as an administrator."""
    able = (User.role == "admin") & User.enabled & (User.password != "")
    return bool(User.select().where(able).exists())


def new_link(core: Core, user: User | None) -> str:
    """A new link for that user, or for who becomes the first administrator; in the caller's transaction."""
    return f"{engine.urls(core)[0]}{path(new_ticket(user))}"


def new_ticket(user: User | None) -> str:
    """The key of such a link; the keys before it end. In the caller's transaction."""
    same = Ticket.user.is_null() if user is None else (Ticket.user == user)
    Ticket.delete().where((Ticket.purpose == SETUP) & same).execute()
    key = secrets.new_key()
    Ticket.create(id=secrets.digest(key), purpose=SETUP, user=user, expires=time.time() + LINK_SECONDS)
    return key


def path(key: str) -> str:
    """What of a link comes after the engine's address."""
    return f"/setup?ticket={key}"


def is_awaited() -> bool:
    """Whether there is a link that is good for who becomes the first administrator."""
    good = (Ticket.purpose == SETUP) & Ticket.user.is_null() & (Ticket.expires > time.time())
    return bool(Ticket.select().where(good).exists())


def ticket_for(ticket: str) -> tuple[bool, str]:
    """Whether a set-up link is good, and for which user; an empty name for who becomes the first administrator."""
    row = _ticket(ticket)
    return row is not None, row.user.name if row is not None and row.user is not None else ""


def set_up(core: Core, ticket: str, name: str, password: str) -> User:
    """Use a set-up link: set its user's password, or make the first administrator. Raises Forbidden, BadInput."""
    row = _ticket(ticket)
    if row is None or (row.user is None and has_administrator()):
        raise Forbidden(
            "cannot use this link: it was used before, or is too old",
            hint="origo users setup-link, or an administrator, gives a new one",
        )
    password_hash = hashed(core, row.user.name if row.user else name, password)
    with database.atomic():
        if not Ticket.delete().where(Ticket.id == row.id).execute():
            raise Forbidden("cannot use this link twice at once")
        user = row.user
        if user is None:
            if User.get_or_none(User.name == name) is not None:
                raise Conflict(f"cannot create user {name}: there is one of that name", hint="choose another name")
            user = User.create(name=name, role="admin")
            core.events.emit("user.created", "users", user.id, owner=user.id, name=user.name)
        _set(core, user, password_hash)
    folders.make(core, user.id)
    return user


def _set(core: Core, user: User, password_hash: str) -> None:
    with database.atomic():
        User.update(password=password_hash).where(User.id == user.id).execute()
        Session.delete().where(Session.user == user).execute()
        Ticket.delete().where((Ticket.purpose == SETUP) & (Ticket.user == user)).execute()
        core.events.emit("user.password-set", "users", user.id, owner=user.id, name=user.name)


def _ticket(ticket: str) -> Ticket | None:
    wanted = (Ticket.id == secrets.digest(ticket)) & (Ticket.purpose == SETUP) & (Ticket.expires > time.time())
    row: Ticket | None = Ticket.get_or_none(wanted)
    return row


def _answer(url: str) -> dict[str, Any]:
    return {"url": url, "expires": time.time() + LINK_SECONDS}
