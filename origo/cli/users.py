"""Commands about users, their passwords, tokens and sessions."""

import time
from typing import Any

import click

from origo import client
from origo.cli import output, sizes

COLUMNS = [
    "id",
    "name",
    "role",
    "enabled",
    "quota_memory_mb",
    "quota_cpus",
    "quota_disk_bytes",
    "quota_networks",
    "created",
]
UNLIMITED = "none"


class Quota(click.ParamType[Any]):
    """A quota as another type reads it, or `none` for no limit."""

    def __init__(self, of: click.ParamType[Any]) -> None:
        self.of = of
        self.name = of.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The quota; `none` is kept as it is."""
        return value if value == UNLIMITED else self.of.convert(value, param, ctx)


QUOTAS = (
    click.option("--memory", "quota_memory_mb", type=Quota(sizes.MEMORY), help="Memory of all servers, or none."),
    click.option("--cpus", "quota_cpus", type=Quota(click.INT), help="Virtual CPUs of all servers, or none."),
    click.option("--disk", "quota_disk_bytes", type=Quota(sizes.DISK), help="Size of all images, or none."),
    click.option("--networks", "quota_networks", type=Quota(click.INT), help="Number of networks, or none."),
)


def quotas(command: Any) -> Any:
    """The options for quotas."""
    for option in reversed(QUOTAS):
        command = option(command)
    return command


@click.group(name="users")
def group() -> None:
    """Users: who may use the engine, and how much of it."""


@group.command("list")
@click.option("-q", default="", help="Only names that contain this.")
@output.as_json
def list_(q: str, json_: bool) -> None:
    """List users."""
    output.columns(client.connect().items("/users", q=q), COLUMNS, json_=json_)


@group.command()
@click.argument("user", default="me")
@output.as_json
def show(user: str, json_: bool) -> None:
    """Show a user."""
    output.details(client.connect().get(f"/users/{client.key(user)}"), json_=json_)


@group.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="An administrator.")
@click.option("--password", is_flag=True, help="Ask for a password here, instead of printing a link to set one.")
@quotas
@output.as_json
def create(name: str, admin: bool, password: bool, json_: bool, **limits: Any) -> None:
    """Create a user, and print the link by which the user sets a password."""
    body = {"name": name, "role": "admin" if admin else "user", **_given(limits)}
    if password:
        body["password"] = _asked()
    output.details(client.connect().post("/users", body), json_=json_)


@group.command()
@click.argument("user")
@click.option("--name", help="A new name.")
@click.option("--role", type=click.Choice(["admin", "user"]), help="The role.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether the user may log in.")
@quotas
@output.as_json
def edit(user: str, json_: bool, **changes: Any) -> None:
    """Change a user."""
    output.details(client.connect().patch(f"/users/{client.key(user)}", _given(changes)), json_=json_)


@group.command()
@click.argument("user")
def delete(user: str) -> None:
    """Delete a user who owns nothing."""
    client.connect().delete(f"/users/{client.key(user)}")
    output.line(f"user {user} is deleted")


@group.command()
@click.argument("user", default="me")
def password(user: str) -> None:
    """Set a password."""
    present = click.prompt("Present password", hide_input=True, default="", show_default=False)
    client.connect().put(f"/users/{client.key(user)}/password", {"password": _asked(), "current": present})
    output.line("the password is set, and all sessions are logged out")


@group.command()
@click.argument("user")
@output.as_json
def link(user: str, json_: bool) -> None:
    """Print a link, good once and for a day, by which a user sets a password."""
    _print_link(client.connect().post(f"/users/{client.key(user)}/link"), json_=json_)


@group.command("setup-link")
@output.as_json
def setup_link(json_: bool) -> None:
    """Print the link by which the first administrator is made (only as root on the engine's machine)."""
    _print_link(client.connect().post("/users/setup-link"), json_=json_)


@group.command("reset-admin")
@click.argument("name", default="")
@output.as_json
def reset_admin(name: str, json_: bool) -> None:
    """Print a link by which an administrator sets a new password (only as root on the engine's machine)."""
    _print_link(client.connect().post("/users/reset-admin", {"name": name}), json_=json_)


@group.group()
def tokens() -> None:
    """Tokens: keys by which programs use the API."""


@tokens.command("list")
@click.argument("user", default="me")
@output.as_json
def list_tokens(user: str, json_: bool) -> None:
    """List a user's tokens."""
    found = client.connect().items(f"/users/{client.key(user)}/tokens")
    output.columns(found, ["id", "name", "created", "expires", "used"], json_=json_)


@tokens.command("create")
@click.argument("name")
@click.option("--user", default="me", help="Whose; by default one's own.")
@click.option("--days", type=int, help="After how many days it ends; by default never.")
@output.as_json
def create_token(name: str, user: str, days: int | None, json_: bool) -> None:
    """Make a token and print its secret, which is shown only now."""
    made = client.connect().post(f"/users/{client.key(user)}/tokens", {"name": name, "days": days})
    if json_:
        output.document(made)
    else:
        output.line(made["secret"])


@tokens.command("delete")
@click.argument("token")
@click.option("--user", default="me", help="Whose; by default one's own.")
def delete_token(token: str, user: str) -> None:
    """End a token, by its id or name."""
    client.connect().delete(f"/users/{client.key(user)}/tokens/{client.key(token)}")
    output.line(f"token {token} is deleted")


@group.group()
def sessions() -> None:
    """Sessions: browsers that are logged in."""


@sessions.command("list")
@click.argument("user", default="me")
@output.as_json
def list_sessions(user: str, json_: bool) -> None:
    """List a user's sessions."""
    found = client.connect().items(f"/users/{client.key(user)}/sessions")
    output.columns(found, ["id", "created", "expires"], json_=json_)


@sessions.command("end")
@click.argument("session")
@click.option("--user", default="me", help="Whose; by default one's own.")
def end_session(session: str, user: str) -> None:
    """Log a browser out."""
    client.connect().delete(f"/users/{client.key(user)}/sessions/{client.key(session)}")
    output.line(f"session {session} is logged out")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == UNLIMITED else value for name, value in options.items() if value is not None}


def _asked() -> str:
    asked: str = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    return asked


def _print_link(answer: dict[str, Any], *, json_: bool) -> None:
    if json_:
        output.document(answer)
    else:
        output.line(answer["url"])
        output.line(f"good once, until {time.strftime('%Y-%m-%d %H:%M', time.localtime(answer['expires']))}", err=True)
