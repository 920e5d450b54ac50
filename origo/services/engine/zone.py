"""The machine's time zone: a link to one of the zones that it knows."""

import difflib
import os
import zoneinfo

from origo.errors import BadInput
from origo.operations.core import Core

LINK = "/etc/localtime"
ZONES = "/usr/share/zoneinfo/"
DEFAULT = "Etc/UTC"


def names() -> list[str]:
    """All zones, as people choose them: by continent and city."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def current() -> str:
    """The zone that the machine goes by."""
    target = os.path.realpath(LINK)
    return target.removeprefix(ZONES) if target.startswith(ZONES) else DEFAULT


def check(name: str) -> None:
    """Raises BadInput, naming the nearest one, for a zone that is not known."""
    known = zoneinfo.available_timezones()
    if name and name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        raise BadInput(
            f"cannot use the time zone {name}: there is none of that name",
            hint=f"did you mean {near[0]}?" if near else "`timedatectl list-timezones` has all",
        )


def choose(core: Core, name: str) -> None:
    """Let the machine go by that zone; the link is replaced at once."""
    new = f"{LINK}.origo"
    core.local.run(["ln", "-sfT", f"{ZONES}{name}", new])
    core.local.run(["mv", "-T", new, LINK])
