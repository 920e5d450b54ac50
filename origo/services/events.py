"""What happened, as a list and as a stream."""

from collections.abc import Iterator
from typing import Any

from origo.operations.core import Core
from origo.services import access
from origo.services.access import Actor

LOOK_SECONDS = 1.0
"""How often a stream looks up while nothing happens, so that it can end."""


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """Events after the id `after`, oldest first; an ordinary user sees those about own things."""
    access.require(actor, "events.list")
    found = core.events.since(query.after, query.limit, None if actor.admin else actor.id)
    return {"items": [show_event(event) for event in found], "next": str(found[-1].id) if found else ""}


def follow(core: Core, actor: Actor, query: Any) -> Iterator[dict[str, Any] | None]:
    """Events after the id `after` (or from now on, if below zero) as they happen; None when nothing did for a while."""
    access.require(actor, "events.list")
    return _follow(core, None if actor.admin else actor.id, query.after)


def show_event(event: Any) -> dict[str, Any]:
    """An event as a person sees it."""
    return {
        "id": event.id,
        "time": event.time,
        "kind": event.kind,
        "noun": event.noun,
        "target": event.target,
        "data": dict(event.data),
    }


def _follow(core: Core, visible_to: str | None, after: int) -> Iterator[dict[str, Any] | None]:
    newest = core.events.newest()
    # An id from before a restore of the database may be one that is still to come.
    seen = after if 0 <= after <= newest else newest
    while True:
        newest = core.events.wait(seen, LOOK_SECONDS)
        found = core.events.since(seen, 500, visible_to)
        yield from (show_event(event) for event in found)
        if not found:
            seen = newest
            yield None
        else:
            seen = found[-1].id
