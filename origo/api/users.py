"""Routes of users, their passwords, tokens and sessions."""

from typing import Annotated, Literal

from pydantic import Field

from origo.api.route import Kind, Model, Page, Route
from origo.model.users import NETWORKS
from origo.services import users
from origo.services.naming import Written
from origo.services.users import UserName, passwords, tokens

Password = Annotated[str, Field(max_length=200)]
Quota = Annotated[int, Field(ge=0, le=1 << 62)] | None


class UserCreate(Model):
    """A new user; a quota of null is no limit. Without a password the answer has a link to set it."""

    name: UserName
    role: Literal["admin", "user"] = "user"
    password: Password = ""
    quota_memory_mb: Quota = None
    quota_cpus: Quota = None
    quota_disk_bytes: Quota = None
    quota_networks: Quota = NETWORKS


class UserEdit(Model):
    """What is to change; what is left out stays."""

    name: UserName = ""
    role: Literal["admin", "user"] = "user"
    enabled: bool = True
    quota_memory_mb: Quota = None
    quota_cpus: Quota = None
    quota_disk_bytes: Quota = None
    quota_networks: Quota = None


class PasswordChange(Model):
    """The new password, and the present one when it is one's own."""

    password: Password
    current: Password = ""


class ResetAdmin(Model):
    """Which administrator; not needed where there is only one."""

    name: Annotated[str, Field(max_length=64)] = ""


class TokenCreate(Model):
    """What the token is for, and after how many days it ends (null: never)."""

    name: Annotated[
        str, Field(min_length=1, max_length=100), Written(r"[^\x00-\x1f\x7f]+", "of characters that can be printed")
    ]
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


ACT = Kind.ACT

ROUTES = [
    Route("GET", "/users", users.list_, "List users", query=Page),
    Route("POST", "/users", users.create, "Create a user", ACT, body=UserCreate),
    Route("POST", "/users/setup-link", passwords.setup_link, "Make the link for the first administrator", ACT),
    Route(
        "POST", "/users/reset-admin", passwords.reset_admin, "Let an administrator set a password", ACT, body=ResetAdmin
    ),
    Route("GET", "/users/{id}", users.show, "Show a user; `me` is oneself"),
    Route("PATCH", "/users/{id}", users.edit, "Change a user", ACT, body=UserEdit),
    Route("DELETE", "/users/{id}", users.delete, "Delete a user who owns nothing", ACT),
    Route("POST", "/users/{id}/link", passwords.link, "Make a link by which a user sets a password", ACT),
    Route("PUT", "/users/{id}/password", passwords.change, "Set a password", ACT, body=PasswordChange),
    Route("GET", "/users/{id}/tokens", tokens.list_, "List a user's tokens", query=Page),
    Route("POST", "/users/{id}/tokens", tokens.create, "Make a token", ACT, body=TokenCreate),
    Route("DELETE", "/users/{id}/tokens/{token}", tokens.delete, "End a token", ACT),
]
