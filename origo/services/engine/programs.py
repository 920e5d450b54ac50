"""Programs that still run what an update has replaced on the disk: started anew where servers run on, or told of."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import PurePath

from origo import log, supervise
from origo.errors import NotFound, OrigoError
from origo.operations.core import Core
from origo.services import issues

ISSUE = "engine/programs"
WHERE = ("/usr/", "/lib")
"""Below what packages keep programs and libraries."""
GONE = re.compile(r"^\S+ ..x\S* \S+ \S+ \d+ +(/.*) \(deleted\)$", re.MULTILINE)
"""A line of /proc/PID/maps for code of a file that has lost its name, as by a package's rename over it."""
LIBVIRT = "libvirtd"
REMEDY = "`systemctl restart {}`: servers run on"
MOST_NAMES = 5

_log = log.get("programs")


def renew(core: Core) -> None:
    """Start nginx and the like anew where an update replaced them; of the engine and libvirt it is an issue.

    Raises OrigoError if it cannot be looked at.
    """
    if not supervise.runs_us():
        return
    for name, files in _supervised(core).items():
        _log.info("starting a program anew that an update replaced", service=name, files=sorted(files))
        try:
            core.supervisor.restart(name)
        except OrigoError as error:
            issues.of_service(core.events, name, error.message)
    if late := _others(core):
        issues.raise_(core.events, ISSUE, _sentence(late), remedy=_remedy(late))
    else:
        issues.end(core.events, ISSUE)


def look(core: Core) -> tuple[bool, str, str]:
    """Whether all of them run what is installed, how it is, and what to do."""
    late = _others(core)
    all_ = late | _supervised(core)
    return not all_, _sentence(all_) if all_ else "all run what is installed", _remedy(late or {"origo": set()})


def _supervised(core: Core) -> dict[str, set[str]]:
    """Of the programs that the engine looks after those that are out of date, with what was replaced."""
    states = core.supervisor.states()
    found = {name: _replaced(core, *_family(core, one.pid)) for name, one in states.items() if one.running}
    return {name: files for name, files in found.items() if files}


def _others(core: Core) -> dict[str, set[str]]:
    """The same of what is not started anew by itself: this very daemon, and the machine's libvirt."""
    argv = ["systemctl", "show", LIBVIRT, "--property=MainPID", "--value"]
    libvirt = int(core.local.run(argv, timeout=20).text.strip() or 0)
    found = {"origo": _replaced(core, os.getpid()), LIBVIRT: _replaced(core, libvirt) if libvirt else set()}
    return {name: files for name, files in found.items() if files}


def _replaced(core: Core, *pids: int) -> set[str]:
    """The names of programs and libraries that these processes have loaded and that are others on the disk by now."""
    found: set[str] = set()
    for pid in pids:
        with contextlib.suppress(NotFound):
            text = core.local.read(f"/proc/{pid}/maps").decode(errors="replace")
            found |= {PurePath(path).name for path in GONE.findall(text) if path.startswith(WHERE)}
    return found


def _family(core: Core, pid: int) -> Iterator[int]:
    """A process and those below it; one that ends meanwhile has none."""
    yield pid
    with contextlib.suppress(NotFound):
        for task in core.local.list(f"/proc/{pid}/task"):
            for child in core.local.read(f"/proc/{pid}/task/{task}/children").split():
                yield from _family(core, int(child))


def _sentence(late: dict[str, set[str]]) -> str:
    files = sorted(set().union(*late.values()))
    more = f" and {len(files) - MOST_NAMES} more" if len(files) > MOST_NAMES else ""
    verb = "runs" if len(late) == 1 else "run"
    return f"{', '.join(late)} still {verb} what an update has replaced: {', '.join(files[:MOST_NAMES])}{more}"


def _remedy(late: dict[str, set[str]]) -> str:
    return REMEDY.format(" ".join(late))
