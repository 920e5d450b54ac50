"""What things may be called: checked once, at the edge."""

import re
from typing import Annotated

from pydantic import StringConstraints

NAME = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$"
"""Letters, digits, dots, dashes and underscores; the first a letter or a digit; at most 63."""

Name = Annotated[str, StringConstraints(pattern=NAME)]
"""The name of a server, an image, a stack, a network or a pool, as API models have it."""


def host_name(name: str) -> str:
    """What DHCP and DNS call a server of that name: lower case letters, digits and dashes only."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return plain[:63].strip("-") or "server"
