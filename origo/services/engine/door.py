"""The door of a new engine: its set-up pages are at the machine's own addresses, since its name leads nowhere yet."""

import time
from collections.abc import Sequence

from origo.model import EngineRow
from origo.operations.core import Core
from origo.secrets import Certificate
from origo.services import engine
from origo.services.engine import addresses

LINGERS = 3600.0
"""So many seconds after set-up its last page can still be read, and the authority's certificate be fetched."""


def is_open(core: Core) -> bool:
    """Whether the set-up pages are at the machine's addresses: until the engine is set up, and a while after."""
    if engine.awaits_setup(core):
        return True
    done = EngineRow.get().set_up
    return bool(core.config["setup"]) and done is not None and abs(time.time() - done) < LINGERS


def names(core: Core) -> list[str]:
    """By what the machine can be called in a browser before its engine has a name."""
    return [one for one in (*addresses.reached(core), addresses.host_name(core)) if one]


def certificate(core: Core, names: Sequence[str]) -> Certificate:
    """What the set-up pages are shown with; it stays the same while the machine's names and addresses do."""
    return core.secrets.setup(names)


def url(core: Core, key: str) -> str:
    """The set-up link with that key, at an address that works from outside; where there is none at the engine's own."""
    found = addresses.reached(core)
    if not found or not core.config["listen"]:
        return f"{engine.urls(core)[-1]}{path(key)}"
    return f"https://{found[0]}{engine.port(core.config['https_port'], 443)}{path(key)}"


def path(key: str) -> str:
    """What of the link comes after the address."""
    return f"/setup/{key}"
