"""How the engine proves that its names are its own: by a file of its front, an update of DNS, or a hook."""

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from origo.errors import BadInput, CommandFailed, Conflict, Unavailable
from origo.operations.core import Core
from origo.services import front

if TYPE_CHECKING:
    from origo.client.ordering import Challenge
    from origo.client.zones import Zone

HOOK_SECONDS = 900
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,300}")
"""What an ACME server may call a file here."""


def kind(way: dict[str, Any]) -> str:
    """The ACME challenge of a way."""
    return "http-01" if way["by"] == "http" else "dns-01"


def check(core: Core, way: dict[str, Any]) -> None:
    """Raise BadInput where that way is closed on this machine."""
    if way["by"] == "hook":
        check_hook(way["program"])
    if way["by"] == "http" and not front.outside(core):
        raise BadInput(
            "cannot prove names over http: the front listens on loopback only",
            hint="prove them by DNS, or name an address of this machine in the setting `listen`",
        )


def check_hook(program: str) -> None:
    """Raise BadInput for a program that others than root could change."""
    path = Path(program)
    if not path.is_absolute() or path != path.resolve():
        raise BadInput(f"cannot use the hook {program}: name it by its whole path, without links")
    if not path.is_file() or not path.stat().st_mode & stat.S_IXUSR:
        raise BadInput(f"cannot use the hook {program}: there is no such program", hint="it must be executable")
    for part in (path, *path.parents):
        facts = part.stat()
        if facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise BadInput(
                f"cannot use the hook {program}: others than root may change {part}",
                hint=f"chown root:root {part}; chmod go-w {part}",
            )


def show(core: Core, way: dict[str, Any], challenge: "Challenge") -> None:
    """Show an ACME server what proves a name."""
    if way["by"] == "http":
        core.local.write(_file(core, challenge), challenge.text.encode())
    elif way["by"] == "dns":
        _zone(core, way).add(challenge.place, challenge.text)
    else:
        _hook(core, way, "present", challenge)


def hide(core: Core, way: dict[str, Any], challenge: "Challenge") -> None:
    """Take that away again. Raises Conflict or BadInput where those who keep the zone do not let it be taken away."""
    if way["by"] == "http":
        core.local.remove(_file(core, challenge))
    elif way["by"] == "dns":
        try:
            _zone(core, way).remove(challenge.place, challenge.text)
        except Unavailable as error:
            raise Conflict(error.message) from error
    else:
        _hook(core, way, "cleanup", challenge)


def _file(core: Core, challenge: "Challenge") -> str:
    if not TOKEN.fullmatch(challenge.place):
        raise Conflict(f"cannot prove {challenge.name}: the ACME server asks for a file of a strange name")
    return f"{front.challenges(core)}/{challenge.place}"


def _zone(core: Core, way: dict[str, Any]) -> "Zone":
    from origo.client.zones import Zone

    secret = core.secrets.unseal(way["secret"])
    return Zone(way["server"], way["port"], way["key_name"], way["algorithm"], secret)


def _hook(core: Core, way: dict[str, Any], verb: str, challenge: "Challenge") -> None:
    check_hook(way["program"])
    try:
        core.local.run([way["program"], verb, challenge.place, challenge.text], timeout=HOOK_SECONDS)
    except CommandFailed as error:
        raise Conflict(f"cannot prove {challenge.name}: {error.message.removeprefix('cannot ')}") from error
