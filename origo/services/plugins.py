"""Plugins: which there are, which work, and why one does not."""

import dataclasses
from typing import Any

from origo.operations.core import Core
from origo.services import access
from origo.services.access import Actor


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """All plugins with their state."""
    access.require(actor, "plugins.list")
    found = [dataclasses.asdict(plugin) for plugin in core.drivers.plugins() if query.q in plugin.name]
    return {"items": found, "next": ""}
