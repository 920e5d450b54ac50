"""Entering a stack's origin: a ticket from the engine's page, good once, becomes that origin's own session."""

import time

from origo import secrets
from origo.errors import Forbidden
from origo.model import Session, Ticket, database
from origo.operations.core import Core
from origo.services import access, front
from origo.services.access import Actor

ENTER = "enter"
TICKET_SECONDS = 60
STACK_SECONDS = 86400


def ticket(core: Core, actor: Actor, label: str, session: str) -> str:
    """A ticket for the origin of the stack with that label; `session` is the key of the engine's session it comes from.

    Raises NotFound for an unknown label, and for another user's stack.
    """
    access.require(actor, "stacks.enter")
    front.owned(actor, label)
    key = secrets.new_key()
    now = time.time()
    parent = secrets.digest(session)
    with database.atomic():
        Ticket.delete().where(Ticket.expires < now).execute()
        Ticket.create(
            id=secrets.digest(key),
            purpose=ENTER,
            user=actor.id,
            subject=f"{label} {parent}",
            expires=now + TICKET_SECONDS,
        )
    return key


def enter(core: Core, key: str, label: str) -> str:
    """Turn a ticket into a session of that label's origin; the key for its cookie. Raises Forbidden."""
    now = time.time()
    with database.atomic():
        good = (Ticket.id == secrets.digest(key)) & (Ticket.purpose == ENTER) & (Ticket.expires > now)
        row = Ticket.get_or_none(good)
        asked, _, parent = row.subject.partition(" ") if row is not None else ("", "", "")
        if row is None or asked != label or Session.get_or_none(Session.id == parent) is None:
            raise Forbidden("cannot enter: the ticket was used before, is too old, or is for another stack")
        Ticket.delete().where(Ticket.id == row.id).execute()
        mine = secrets.new_key()
        Session.create(
            id=secrets.digest(mine),
            user=row.user_id,
            host=f"{label}.{core.config.host_name}",
            parent=parent,
            created=now,
            expires=now + STACK_SECONDS,
        )
    return mine
