"""Tokens: keys by which a user's programs use the API."""

import time
from typing import Any

from origo import secrets
from origo.errors import Conflict, Forbidden, NotFound
from origo.model import Token, User, database
from origo.operations.core import Core
from origo.services import listing, users
from origo.services.access import SYSTEM, Actor

PREFIX = "origo_"
"""Lets scanners of published code know our tokens."""
MOST = 100


def list_(core: Core, actor: Actor, id: str, query: Any) -> dict[str, Any]:
    """A user's tokens, never with their secrets."""
    user = users.find(actor, id, "users.self")
    return listing.page(Token.select().where(Token.user == user), Token, query, show_row)


def create(core: Core, actor: Actor, id: str, body: Any) -> dict[str, Any]:
    """Make a token; only this answer has its secret."""
    user = users.find(actor, id, "users.self")
    if user.id == SYSTEM.id:
        raise Forbidden("cannot make a token for user system", hint="make a user for your programs")
    key = PREFIX + secrets.new_key()
    expires = time.time() + body.days * 86400 if body.days else None
    with database.atomic():
        if Token.select().where(Token.user == user).count() >= MOST:
            raise Conflict(f"cannot make more than {MOST} tokens for user {user.name}", hint="delete one before")
        token = Token.create(user=user, name=body.name, secret=secrets.digest(key), expires=expires)
        core.events.emit("token.created", "users", user.id, owner=user.id, name=token.name)
    return show_row(token) | {"secret": key}


def delete(core: Core, actor: Actor, id: str, token: str) -> None:
    """End a token at once."""
    user = users.find(actor, id, "users.self")
    with database.atomic():
        mine = Token.select().where(Token.user == user)
        found = list(mine.where(Token.id == token)) or list(mine.where(Token.name == token))
        if not found:
            raise NotFound(f"cannot find token {token} of user {user.name}")
        if len(found) > 1:
            raise Conflict(f"cannot tell which token {token} is meant: several have that name", hint="use its id")
        found[0].delete_instance()
        core.events.emit("token.deleted", "users", user.id, owner=user.id, token=found[0].name)


def owner_of(key: str) -> User | None:
    """Whose token this is, if it is good."""
    now = time.time()
    token: Token | None = (
        Token.select(Token, User).join(User).where((Token.secret == secrets.digest(key)) & User.enabled).first()
    )
    if token is None or (token.expires is not None and token.expires <= now):
        return None
    if token.used is None or now - token.used > 60:
        Token.update(used=now).where(Token.id == token.id).execute()
    user: User = token.user
    return user


def show_row(token: Token) -> dict[str, Any]:
    """A token as its user sees it."""
    return {
        "id": token.id,
        "name": token.name,
        "created": token.created,
        "expires": token.expires,
        "used": token.used,
    }
