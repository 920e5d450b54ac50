"""Where this machine is reached from outside, before its engine has a name that others know."""

import json
import re
import socket
from typing import Any

from origo.config import DOMAIN
from origo.model import Network
from origo.operations.core import Core

ADDRESSES = ("ip", "-json", "address", "show", "scope", "global")
DEFAULT_ROUTE = ("ip", "-json", "route", "show", "default")


def interfaces(core: Core) -> dict[str, list[str]]:
    """The interfaces that have an IPv4 address, with these; those of Origo's own networks are none of them."""
    own = {row.bridge for row in Network.select(Network.bridge)}
    found: dict[str, list[str]] = {}
    for link in _asked(core, ADDRESSES):
        if link.get("ifname") not in own:
            here = [str(one["local"]) for one in link.get("addr_info", []) if one.get("family") == "inet"]
            found |= {str(link["ifname"]): here} if here else {}
    return found


def outer(core: Core) -> str:
    """The interface to the world: the one that the setting names, or else the one that holds the default route."""
    return str(core.config["outer_interface"]) or default_route(core)


def default_route(core: Core) -> str:
    """The interface of the default route, the first if there are several; empty without one."""
    return next((str(route["dev"]) for route in _asked(core, DEFAULT_ROUTE) if "dev" in route), "")


def reached(core: Core) -> list[str]:
    """The machine's addresses, those of its outer interface first."""
    found, first = interfaces(core), outer(core)
    return [address for name in sorted(found, key=lambda one: (one != first, one)) for address in found[name]]


def host_name(core: Core) -> str:
    """What the machine calls itself, where that can stand in an address and is not the engine's own name."""
    name = socket.gethostname().lower()
    fine = re.fullmatch(DOMAIN, name) and name not in ("localhost", core.config.host_name)
    return name if fine and not name.endswith(f".{core.config.host_name}") else ""


def _asked(core: Core, argv: tuple[str, ...]) -> list[dict[str, Any]]:
    answer = core.local.run(argv, check=False)
    found: list[dict[str, Any]] = json.loads(answer.text or "[]") if answer.code == 0 else []
    return found
