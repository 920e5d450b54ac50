"""Users: verbs about who they are, their roles and quotas."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator

from origo.errors import Conflict, Forbidden, NotFound
from origo.model import Image, Network, Server, Session, Stack, User, database
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import SYSTEM, Actor
from origo.services.images import folders
from origo.services.users import passwords

NAME = re.compile(r"(?![.-])[a-z0-9._@-]{1,64}")
RESERVED = ("me", SYSTEM.name)
OWNED = (("stack", Stack), ("server", Server), ("image", Image), ("network", Network))
NAMED = 5


def _user_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("a name is 1 to 64 of a-z, 0-9 and . - _ @, and begins with none of . and -")
    if name in RESERVED:
        raise ValueError("this name is reserved")
    return name


UserName = Annotated[str, AfterValidator(_user_name)]
"""The name of a user, as API models have it; an e-mail address is one."""


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """All users but the engine itself."""
    access.require(actor, "users.list")
    return listing.page(User.select().where(User.id != SYSTEM.id), User, query, show_row)


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One user."""
    return show_row(find(actor, id, "users.self"))


def create(core: Core, actor: Actor, body: Any) -> dict[str, Any]:
    """Make a user. Without a password the answer has a link, good once, by which the user sets it."""
    access.require(actor, "users.manage")
    hashed = passwords.hashed(core, body.name, body.password) if body.password else ""
    values = body.model_dump(exclude={"password"})
    with database.atomic():
        if User.get_or_none(User.name == body.name) is not None:
            raise Conflict(f"cannot create user {body.name}: there is one of that name", hint="choose another name")
        user = User.create(password=hashed, **values)
        core.events.emit("user.created", "users", user.id, owner=user.id, name=user.name)
        link = "" if hashed else passwords.new_link(core, user)
    folders.make(core, user.id)
    return show_row(user) | {"setup": link}


def edit(core: Core, actor: Actor, id: str, body: Any) -> dict[str, Any]:
    """Change name, role, quotas, or whether the user may log in at all."""
    access.require(actor, "users.manage")
    changes = body.model_dump(exclude_unset=True)
    with database.atomic():
        user = _changeable(find(actor, id, "users.manage"))
        if changes.get("role", "admin") != "admin" or changes.get("enabled") is False:
            _keep_an_administrator(user, "change")
        other = User.get_or_none((User.name == changes.get("name", "")) & (User.id != user.id))
        if other is not None:
            raise Conflict(f"cannot rename user {user.name}: there is a user {other.name}", hint="choose another name")
        for name, value in changes.items():
            setattr(user, name, value)
        user.save()
        if not user.enabled:
            Session.delete().where(Session.user == user).execute()
        core.events.emit("user.edited", "users", user.id, owner=user.id, name=user.name)
    return show_row(user)


def delete(core: Core, actor: Actor, id: str) -> None:
    """Delete a user who owns nothing, also nothing in the trash."""
    access.require(actor, "users.manage")
    with database.atomic():
        user = _changeable(find(actor, id, "users.manage"))
        _keep_an_administrator(user, "delete")
        owned = _owned(user)
        if owned:
            shown = ", ".join(owned[:NAMED]) + (f" and {len(owned) - NAMED} more" if len(owned) > NAMED else "")
            raise Conflict(
                f"cannot delete user {user.name}, who still owns {shown}",
                hint="delete them, and purge them from the trash, before",
                details={"owned": owned[:100]},
            )
        user.delete_instance()
        core.events.emit("user.deleted", "users", user.id, name=user.name)
    folders.remove(core, user.id)


def find(actor: Actor, key: str, action: str) -> User:
    """The user of that id or name (`me`: the actor), whom the actor may see or change. Raises NotFound."""
    access.require(actor, action)
    wanted = actor.id if key == "me" else key
    # By the id first: nobody is meant by another's id who has it for a name.
    user: User | None = User.get_or_none(User.id == wanted) or User.get_or_none(User.name == wanted)
    if user is None:
        raise NotFound(f"cannot find user {key}")
    access.require(actor, action, f"user {key}", owner=user.id)
    return user


def show_row(user: User) -> dict[str, Any]:
    """A user as administrators and the user see it."""
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "enabled": user.enabled,
        "has_password": bool(user.password),
        "quota_memory_mb": user.quota_memory_mb,
        "quota_cpus": user.quota_cpus,
        "quota_disk_bytes": user.quota_disk_bytes,
        "quota_networks": user.quota_networks,
        "created": user.created,
    }


def _changeable(user: User) -> User:
    if user.id == SYSTEM.id:
        raise Forbidden("cannot change user system: it is the engine itself")
    return user


def _keep_an_administrator(user: User, verb: str) -> None:
    others = User.select().where((User.role == "admin") & User.enabled & (User.id != user.id))
    if user.role == "admin" and user.enabled and not others.exists():
        raise Conflict(
            f"cannot {verb} user {user.name}: there is no other administrator", hint="make another one before"
        )


def _owned(user: User) -> list[str]:
    found = []
    for noun, row in OWNED:
        for thing in row.select(row.name).where(row.owner == user).order_by(row.created).limit(100):
            found.append(f"{noun} {thing.name}")
    return found
