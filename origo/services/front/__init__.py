"""The front: nginx's static configuration, and where a stack's page is."""

import time
from dataclasses import dataclass
from typing import Any

from origo.client import asking
from origo.errors import NotFound, Unavailable
from origo.model import Connection, Server, Stack
from origo.operations.core import Core
from origo.services.access import Actor
from origo.services.front.service import DROPPED, challenges, outside, service

__all__ = [
    "DROPPED",
    "Upstream",
    "answers",
    "challenges",
    "outside",
    "owned",
    "service",
    "show_certificate",
    "upstream",
]

ANSWER_SECONDS = 2
RELOAD_SECONDS = 20.0
"""How long nginx may take to read its configuration again."""


@dataclass(frozen=True)
class Upstream:
    """A stack's page: whose it is, and the address of the server that has it; empty while that server is not on."""

    stack: str
    name: str
    owner: str
    path: str
    address: str
    power: str


def upstream(label: str) -> Upstream:
    """Where the page of the stack with that label is, by one query. Raises NotFound."""
    rows: list[Any] = list(
        Stack.select(Stack.id, Stack.name, Stack.owner, Stack.page, Server.member, Server.power, Connection.address)
        .join(Server, "LEFT JOIN", on=(Server.stack == Stack.id))
        .join(Connection, "LEFT JOIN", on=(Connection.server == Server.id))
        .where((Stack.label == label) & (Stack.state != "trashed"))
        .order_by(Connection.position)
        .dicts()
    )
    if not rows:
        raise NotFound(f"cannot find a stack at {label}")
    stack = rows[0]
    page = stack["page"] or {"member": "", "port": 0, "path": "/"}
    member = next((row for row in rows if row["member"] == page["member"] and row["address"]), None)
    on = member is not None and member["power"] == "running"
    return Upstream(
        stack=stack["id"],
        name=stack["name"],
        owner=stack["owner"],
        path=page["path"],
        address=f"{member['address']}:{page['port']}" if member is not None and on else "",
        power=member["power"] if member is not None else "stopped",
    )


def owned(actor: Actor, label: str) -> Upstream:
    """The same, for its owner and administrators. Raises NotFound."""
    found = upstream(label)
    if found.owner != actor.id and not actor.admin:
        raise NotFound(f"cannot find a stack at {label}")
    return found


def answers(found: Upstream) -> bool:
    """Whether the page answers at this moment, with whatever it has to say but an error of its own."""
    status = asking.status(found.address, found.path, ANSWER_SECONDS) if found.address else None
    return status is not None and status < 500


def show_certificate(core: Core) -> None:
    """Let nginx show the certificate that the engine has now; connections go on as they are.

    Where nginx does not run it will, as soon as it does. Raises Unavailable when it goes on with another one.
    """
    state = core.supervisor.states().get("nginx")
    if state is None or not state.running:
        return
    core.supervisor.ensure(service(core))
    wanted = core.secrets.front(core.config["domain"]).der
    end = time.monotonic() + RELOAD_SECONDS
    name, path = core.config.host_name, core.config.path("run", "front-https.sock")
    while asking.shown_certificate(path, name, ANSWER_SECONDS) != wanted:
        if time.monotonic() > end:
            raise Unavailable(
                "cannot show the certificate: nginx goes on with another one",
                hint="its log says why it did not take it",
            )
        time.sleep(0.1)
