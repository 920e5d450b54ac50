"""The only HTTP client: of the engine's own API, for files from elsewhere, and to see whether a page answers."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from origo.errors import BadInput

if TYPE_CHECKING:
    from origo.client.api import Client


def connect(environment: Mapping[str, str] = os.environ) -> "Client":
    """The engine that ORIGO_URL names (with ORIGO_TOKEN, and ORIGO_CA for its authority's certificate), or else the one
    in ORIGO_HOME on this machine."""
    from origo.client import api  # its libraries are only for those who ask an engine

    return api.connect(environment)


def key(text: str) -> str:
    """A name or id as one part of a path, so that no name leads elsewhere. Raises BadInput for what can be neither."""
    if text in ("", ".", "..") or "/" in text or not text.isprintable():
        raise BadInput(f"cannot use {ascii(text)} as a name or id", hint="the command `list` shows names and ids")
    return quote(text, safe="")
