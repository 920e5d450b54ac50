"""Stacks: verbs, and their state, which follows from what their servers do."""

import json
from typing import Any

import peewee

from origo.model import Server, Stack
from origo.operations.core import Core
from origo.services import access, catalog, front, listing, servers
from origo.services.access import Actor
from origo.services.catalog import descriptor, questions
from origo.services.servers import wishes
from origo.services.stacks import operations

Member = tuple[str, str, str]
"""A server's id, what it does, and what it is to do."""


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """The actor's stacks (all, for an administrator); those in the trash only when asked for."""
    access.require(actor, "stacks.list")
    rows = Stack.select() if actor.admin else Stack.select().where(Stack.owner == actor.id)
    rows = rows.where(Stack.state == "trashed" if query.trash else Stack.state != "trashed")
    found = listing.page(rows, Stack, query, lambda stack: show_row(core, stack))
    powers = _powers([item["id"] for item in found["items"]])
    starting = wishes.being_started()
    for item in found["items"]:
        item["power"] = _power(item["state"], powers.get(item["id"], []), starting)
    return found


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One stack with its servers, its answers, and whether its page is `reachable` at this moment."""
    access.require(actor, "stacks.list")
    stack = listing.find(Stack, "stack", id, actor)
    members = list(Server.select().where(Server.stack == stack).order_by(Server.position))
    powers = [(server.id, server.power, server.desired) for server in members]
    return show_row(core, stack) | {
        "power": _power(stack.state, powers, wishes.being_started()),
        "reachable": bool(stack.page) and stack.state == "ready" and front.answers(front.upstream(stack.label)),
        "answers": stack.answers,
        "servers": [servers.show_row(server) for server in members],
    }


def install(core: Core, actor: Actor, body: Any) -> Any:
    """Install a stack from the catalog; its questions are answered by name."""
    access.require(actor, "stacks.manage")
    entry = catalog.find(body.stack)
    asked = descriptor.read(entry.descriptor).questions
    answers = questions.answers(asked, body.answers)
    public = questions.without_secrets(asked, answers)
    secret = {name: answer for name, answer in answers.items() if name not in public}
    args = {
        "entry": entry.id,
        "name": body.name or entry.name,
        "owner": actor.id,
        "answers": public,
        "secret": core.secrets.seal(json.dumps(secret)) if secret else "",
    }
    return core.operations.submit(operations.InstallStack(), args, by=actor.id, plan=actor.plan, key=actor.key)


def start(core: Core, actor: Actor, id: str) -> Any:
    """Start all servers of a stack."""
    return _change(core, actor, id, operations.StartStack())


def stop(core: Core, actor: Actor, id: str) -> Any:
    """Ask all guests of a stack to shut down."""
    return _change(core, actor, id, operations.StopStack())


def delete(core: Core, actor: Actor, id: str) -> Any:
    """Move a stack with its servers and their disks into the trash."""
    return _change(core, actor, id, operations.DeleteStack())


def undelete(core: Core, actor: Actor, id: str) -> Any:
    """Take a stack out of the trash."""
    return _change(core, actor, id, operations.UndeleteStack())


def purge(core: Core, actor: Actor, id: str) -> Any:
    """Remove a stack in the trash for good, with its data."""
    return _change(core, actor, id, operations.PurgeStack())


def show_row(core: Core, stack: Stack) -> dict[str, Any]:
    """A stack as its owner sees it, without its power; `page` is the path on its own origin, or None."""
    return {
        "id": stack.id,
        "name": stack.name,
        "owner": stack.owner_id,
        "entry": stack.entry_id,
        "label": stack.label,
        "host": f"{stack.label}.{core.config.host_name}",
        "page": stack.page and stack.page["path"],
        "state": stack.state,
        "created": stack.created,
        "trashed": stack.trashed,
    }


def _power(state: str, members: list[Member], starting: set[str]) -> str:
    """What a stack does: running, stopped, stopping, starting, or degraded when its servers disagree."""
    powers = {power for _, power, _ in members}
    if all(desired == "stopped" for _, _, desired in members):
        return "stopped" if powers <= {"stopped"} else "stopping"
    if powers == {"running"}:
        return "running"
    if powers == {"stopped"}:
        soon = state == "creating" or any(id in starting for id, _, _ in members)
        return "starting" if soon else "stopped"
    return "degraded"


def _powers(stacks: list[str]) -> dict[str, list[Member]]:
    found: dict[str, list[Member]] = {}
    columns = (Server.id, Server.stack, Server.power, Server.desired)
    rows: peewee.Query = Server.select(*columns).where(Server.stack.in_(stacks))
    for server in rows:
        found.setdefault(server.stack_id, []).append((server.id, server.power, server.desired))
    return found


def _change(core: Core, actor: Actor, id: str, operation: Any) -> Any:
    access.require(actor, "stacks.manage")
    stack = listing.find(Stack, "stack", id, actor, trashed=operation.state == "trashed")
    args = {"stack": stack.id, "owner": stack.owner_id}
    return core.operations.submit(operation, args, by=actor.id, plan=actor.plan, key=actor.key)
