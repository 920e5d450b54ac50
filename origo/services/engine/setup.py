"""Setting a new engine up: what it offers to choose from, the verb, and what who has the link may see of it."""

from typing import Any

from origo.errors import Forbidden
from origo.model import EngineRow, OperationRow, Ticket
from origo.operations.core import Core
from origo.secrets import digest
from origo.services import access
from origo.services.access import SYSTEM, Actor
from origo.services.engine import addresses, backups, disks, zone
from origo.services.engine.operations import SetUp, check_new
from origo.services.users import passwords


def set_up(core: Core, actor: Actor, body: Any) -> Any:
    """Say what a new engine is to be: its name and domain, what pool 0 is made of, its first administrator."""
    access.require(actor, "engine.manage")
    args = body.model_dump()
    if body.administrator:
        hashed = passwords.hashed(core, body.administrator.name, body.administrator.password)
        args["administrator"]["password"] = core.secrets.seal(hashed)
    return core.operations.submit(SetUp(), args, by=actor.id, plan=actor.plan, key=actor.key)


def offer(core: Core, actor: Actor) -> dict[str, Any]:
    """What a new engine is if nobody says otherwise, and what its machine has: empty disks, interfaces, its zone.

    Raises Conflict once it has been set up.
    """
    access.require(actor, "engine.manage")
    check_new()
    row = EngineRow.get()
    found = addresses.interfaces(core)
    return {
        "name": row.name,
        "domain": row.domain,
        "disks": disks.empty(core),
        "interfaces": [{"name": name, "addresses": found[name]} for name in sorted(found)],
        "outer_interface": addresses.outer(core),
        "time_zone": zone.current(),
    }


def check(key: str) -> None:
    """Let only who has the set-up link go on. Raises Forbidden."""
    good, name = passwords.ticket_for(key)
    if not good or name:
        raise Forbidden(
            "cannot use this link: it was used before, or is too old",
            hint="`origo users setup-link` on the engine's machine gives a new one",
        )


def attempt() -> OperationRow | None:
    """The set-up that was begun last, if one was."""
    rows = OperationRow.select().where(OperationRow.kind == SetUp.kind).order_by(OperationRow.created.desc())
    row: OperationRow | None = rows.first()
    return row


def finish(core: Core, key: str) -> str:
    """End the link of an engine that is set up; answers the recovery key, this once. Raises Forbidden."""
    check(key)
    if EngineRow.get().set_up is None or EngineRow.get().recovery:
        raise Forbidden(
            "cannot show the recovery key: this engine is not set up yet, or has one",
            hint="`origo engine recovery-key` on the engine's machine makes a new one",
        )
    Ticket.delete().where(Ticket.id == digest(key)).execute()
    return str(backups.new_key(core, SYSTEM)["key"])
