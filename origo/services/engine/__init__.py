"""The engine itself: what it is called, where it is reached, and what its machine lacks."""

from typing import Any

from origo import VERSION
from origo.model import EngineRow, User
from origo.operations.core import Core
from origo.services import access, issues
from origo.services.access import SYSTEM, Actor
from origo.services.engine.operations import AWAITED


def show(core: Core, actor: Actor) -> dict[str, Any]:
    """Name, version and addresses of this engine."""
    access.require(actor, "engine.show")
    row = EngineRow.get()
    return {
        "id": row.id,
        "name": row.name,
        "version": VERSION,
        "domain": core.config["domain"],
        "host": core.config.host_name,
        "urls": urls(core),
        "created": row.created,
        "awaits_setup": awaits_setup(core),
    }


def awaits_setup(core: Core) -> bool:
    """Whether nobody has said yet what this engine is to be, and that is waited for."""
    return bool(core.config["setup"]) and EngineRow.get().set_up is None


def urls(core: Core) -> list[str]:
    """Where the engine's page is reached."""
    name, config = core.config.host_name, core.config
    plain = [f"http://{name}{port(config['http_port'], 80)}"] if config["domain"] == "localhost" else []
    return [*plain, f"https://{name}{port(config['https_port'], 443)}"]


def port(number: int, default: int) -> str:
    """A port as it stands in an address, where browsers leave the default one out."""
    return "" if number == default else f":{number}"


def ensure(core: Core) -> None:
    """The engine's row, and the user that owns what the engine itself makes, at the first start."""
    if EngineRow.get_or_none() is None:
        EngineRow.create(name=core.config["name"], domain=core.config["domain"])
    if awaits_setup(core):
        issues.raise_(core.events, AWAITED, "this engine is not set up yet", remedy="run `origo setup` as root")
    if User.get_or_none(User.id == SYSTEM.id) is None:
        User.create(id=SYSTEM.id, name=SYSTEM.name, role="admin", enabled=False, quota_networks=None)
