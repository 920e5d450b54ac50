"""The engine itself: what it is called, where it is reached, and what its machine lacks."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from origo import VERSION
from origo.contracts import Driver
from origo.errors import OrigoError
from origo.model import EngineRow, Node, Pool, User
from origo.operations.core import Core
from origo.services import access, issues, networks, nodes, pools
from origo.services.access import SYSTEM, Actor
from origo.services.engine import certificates
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


def doctor(core: Core, actor: Actor) -> dict[str, Any]:
    """Everything that can be checked on this machine: each with `ok`, a sentence, and a remedy."""
    access.require(actor, "engine.manage")
    checks = [_plugin_check(plugin) for plugin in core.drivers.plugins()]
    for node in Node.select():
        checks += _driver_checks(f"hypervisor of node {node.name}", functools.partial(nodes.hypervisor, core, node))
    checks += _driver_checks("network", functools.partial(networks.driver, core))
    for pool in Pool.select():
        checks += _driver_checks(f"storage of pool {pool.name}", functools.partial(pools.driver, core, pool))
        usage = pools.show_row(core, pool)
        checks.append(
            {"about": f"pool {pool.name}", "ok": usage["health"] == "ok", "sentence": usage["sentence"], "remedy": ""}
        )
    checks += certificates.checks(core)
    for name, state in core.supervisor.states().items():
        checks.append({"about": f"service {name}", "ok": state.running, "sentence": state.sentence, "remedy": ""})
    return {"items": checks}


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


def _plugin_check(plugin: Any) -> dict[str, Any]:
    return {"about": f"plugin {plugin.name}", "ok": plugin.state == "ready", "sentence": plugin.reason, "remedy": ""}


def _driver_checks(about: str, find: Callable[[], Driver]) -> list[dict[str, Any]]:
    try:
        driver = find()
        lacks = driver.check()
        facts = dataclasses.asdict(driver.info()) if not any(lack.fatal for lack in lacks) else {}
    except OrigoError as error:
        return [{"about": about, "ok": False, "sentence": error.message, "remedy": error.hint}]
    found = [{"about": about, "ok": not lack.fatal, "sentence": lack.sentence, "remedy": lack.remedy} for lack in lacks]
    notes = "; ".join(facts.get("notes", {}).values())
    return found or [{"about": about, "ok": True, "sentence": notes or facts.get("title", ""), "remedy": ""}]
