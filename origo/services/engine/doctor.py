"""Everything that can be checked: what the engine is made of, and on an installed machine the machine itself."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from origo import supervise
from origo.contracts import Confinement, Driver, Lack
from origo.errors import OrigoError
from origo.model import Node, Pool
from origo.operations.core import Core
from origo.services import access, networks, nodes, pools
from origo.services.access import Actor
from origo.services.engine import backups, certificates, firewall, machine


def doctor(core: Core, actor: Actor) -> dict[str, Any]:
    """Everything that can be checked on this machine: each with `ok`, a sentence, and a remedy."""
    access.require(actor, "engine.manage")
    checks = [_check(f"plugin {one.name}", one.state == "ready", one.reason) for one in core.drivers.plugins()]
    for node in Node.select():
        checks += _driver_checks(f"hypervisor of node {node.name}", functools.partial(nodes.hypervisor, core, node))
    checks += _driver_checks("network", functools.partial(networks.driver, core))
    for pool in Pool.select():
        checks += _driver_checks(f"storage of pool {pool.name}", functools.partial(pools.driver, core, pool))
        usage = pools.show_row(core, pool)
        checks.append(_check(f"pool {pool.name}", usage["health"] == "ok", usage["sentence"]))
    for name, state in core.supervisor.states().items():
        checks.append(_check(f"service {name}", state.running, state.sentence))
    checks += [*certificates.checks(core), *_firewall(core)]
    checks += [_check(*found) for found in backups.checks(core)]
    if supervise.runs_us():
        for node in Node.select():
            checks += _confinement(core, node)
        checks += [_check(*found) for found in machine.checks(core)]
    return {"items": checks}


def _check(about: str, ok: bool, sentence: str, remedy: str = "") -> dict[str, Any]:
    return {"about": about, "ok": ok, "sentence": sentence or "it is well", "remedy": "" if ok else remedy}


def _lack(about: str, lack: Lack) -> dict[str, Any]:
    return {"about": about, "ok": not lack.fatal, "sentence": lack.sentence, "remedy": lack.remedy}


def _confinement(core: Core, node: Node) -> list[dict[str, Any]]:
    about = f"confinement on node {node.name}"
    try:
        driver = nodes.hypervisor(core, node)
        if not isinstance(driver, Confinement):
            return []
        lack = driver.unconfined()
    except OrigoError as error:
        return [_check(about, False, error.message, error.hint)]
    return [_lack(about, lack) if lack else _check(about, True, "each server that runs is held to its own files")]


def _firewall(core: Core) -> list[dict[str, Any]]:
    if not core.config["firewall"]:
        return []
    try:
        there = firewall.is_closed(core.local)
    except OrigoError as error:
        return [_check("firewall", False, error.message, error.hint or "install the package nftables")]
    sentence = "only ssh, the pages and what firewall_open says is let in" if there else "it is not there"
    remedy = "it is made again within a minute; if not, `journalctl -u origo` says why"
    return [_check("firewall", there, sentence, remedy)]


def _driver_checks(about: str, find: Callable[[], Driver]) -> list[dict[str, Any]]:
    try:
        driver = find()
        lacks = driver.check()
        facts = dataclasses.asdict(driver.info()) if not any(lack.fatal for lack in lacks) else {}
    except OrigoError as error:
        return [_check(about, False, error.message, error.hint)]
    found = [_lack(about, lack) for lack in lacks]
    notes = "; ".join(facts.get("notes", {}).values())
    return found or [{"about": about, "ok": True, "sentence": notes or facts.get("title", ""), "remedy": ""}]
