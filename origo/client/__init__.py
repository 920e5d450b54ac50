"""The only HTTP client: of the engine's own API, for files from elsewhere, and to see whether a page answers.

What is taken from here is read when it is first used: a daemon that starts has nothing to ask anybody yet.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from origo.client.api import Client, connect, key
    from origo.client.asking import shown_certificate, status
    from origo.client.fetching import download

__all__ = ["Client", "connect", "download", "key", "shown_certificate", "status"]

PLACES = {
    "Client": "api",
    "connect": "api",
    "key": "api",
    "shown_certificate": "asking",
    "status": "asking",
    "download": "fetching",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PLACES[name]}"), name)
