"""Who may do what: the first line of every verb."""

from dataclasses import dataclass, replace

from origo.errors import Forbidden, NotFound, NotLoggedIn
from origo.operations.base import Key


@dataclass(frozen=True)
class Actor:
    """Who asks, and how: with `plan` nothing is to be changed, only shown; `key` is the request's Idempotency-Key.

    An empty id is nobody. The command line on the local socket and the engine itself act as SYSTEM.
    """

    id: str = ""
    name: str = ""
    role: str = ""
    plan: bool = False
    key: Key | None = None

    @property
    def admin(self) -> bool:
        """Whether it may see and change everybody's things."""
        return self.role == "admin"

    def asking(self, *, plan: bool, key: Key | None) -> "Actor":
        """The same one, asking for a plan or with a key."""
        return replace(self, plan=plan, key=key)


NOBODY = Actor()
SYSTEM = Actor(id="system", name="system", role="admin")

ACTIONS: dict[str, str] = {
    "engine.show": "user",
    "engine.manage": "admin",
    "users.list": "admin",
    "users.manage": "admin",
    "users.self": "user",
    "nodes.list": "admin",
    "networks.list": "user",
    "networks.manage": "user",
    "pools.list": "user",
    "pools.manage": "admin",
    "images.list": "user",
    "images.manage": "user",
    "servers.list": "user",
    "servers.manage": "user",
    "servers.console": "user",
    "catalog.list": "user",
    "catalog.build": "admin",
    "stacks.list": "user",
    "stacks.manage": "user",
    "stacks.enter": "user",
    "operations.list": "user",
    "operations.manage": "user",
    "issues.list": "user",
    "issues.manage": "admin",
    "events.list": "user",
    "plugins.list": "admin",
}
"""Every action, with the least role that may do it: on one's own things if `user`, on everybody's if `admin`."""


def require(actor: Actor, action: str, target: str | None = None, *, owner: str | None = None) -> None:
    """Let the verb go on, or raise.

    `target` is how a sentence calls the thing ("server web1"), `owner` the id of its user; both are given where the
    action is about one thing. What is another user's does not exist for this one: NotFound.
    """
    least = ACTIONS[action]
    if not actor.id:
        raise NotLoggedIn("cannot do this without logging in", hint="log in, or send a token")
    if least == "admin" and not actor.admin:
        raise Forbidden(f"cannot {_words(action)}: only an administrator may")
    if owner is not None and owner != actor.id and not actor.admin:
        raise NotFound(f"cannot find {target or 'it'}")


def only_here(actor: Actor) -> None:
    """Let only who asks as root at the engine's own machine go on."""
    if actor.id != SYSTEM.id:
        raise Forbidden("cannot do this through the network", hint="run the command as root on the engine's machine")


def _words(action: str) -> str:
    noun, _, verb = action.partition(".")
    return f"{verb} the {noun}" if noun in ("engine", "catalog") else f"{verb} {noun}"
