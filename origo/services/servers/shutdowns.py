"""Guests that were asked to shut down: asked again while they boot, and reported when they do not."""

import time

from origo import log
from origo.contracts import Power
from origo.errors import OrigoError
from origo.model import Issue, Node, OperationRow, Server
from origo.operations.core import Core
from origo.services import issues, nodes

_log = log.get("shutdowns")

AGAIN_SECONDS = 10
"""A guest that is still booting does not hear the power button; so it is pushed again after this long."""
LOOK_SECONDS = 0.2
ASKED = ("servers.shutdown", "stacks.stop")
ISSUE = "shutdown/"


def remind(core: Core) -> None:
    """Ask every guest again that was to shut down and has not; past the deadline there is an issue instead.

    What was asked for is read from the journal, so that it survives a restart; whatever was begun since counts more.
    """
    late = set()
    for server in Server.select().where((Server.desired == "stopped") & (Server.power != "stopped")):
        since = _asked(server)
        if since is None:
            continue
        if time.time() - since < core.config["shutdown_seconds"]:
            _ask(core, server)
        else:
            late.add(f"{ISSUE}{server.id}")
            _report(core, server)
    for issue in Issue.select().where(Issue.key.startswith(ISSUE) & Issue.ended.is_null()):
        if issue.key not in late:
            issues.end(core.events, issue.key)


def shut_down_all(core: Core, seconds: float) -> None:
    """Shut every guest down, last started first, and power off what still runs after `seconds`."""
    Node.update(boot="").execute()  # from now on a guest that ends does not do so by itself
    running = list(Server.select().where(Server.power != "stopped").order_by(Server.position.desc()))
    deadline = time.monotonic() + seconds
    ask = 0.0
    while running and time.monotonic() < deadline:
        if time.monotonic() >= ask:
            ask = time.monotonic() + AGAIN_SECONDS
            for server in running:
                _ask(core, server)
        time.sleep(LOOK_SECONDS)
        running = [server for server in running if _runs(core, server)]
    for server in running:
        try:
            nodes.hypervisor(core, server.node).stop(server.id, force=True)
        except OrigoError as error:
            _log.warning("cannot power a server off", server=server.id, error=error.message)


def _asked(server: Server) -> float | None:
    """Since when it is to shut down; None when that is not what was done last with it or its stack."""
    about = OperationRow.target.in_([server.id, server.stack_id or server.id])
    last = OperationRow.select().where(about).order_by(OperationRow.id.desc()).first()
    return last.ended if last is not None and last.status == "done" and last.kind in ASKED else None


def _ask(core: Core, server: Server) -> None:
    driver = nodes.hypervisor(core, server.node)
    try:
        if driver.state(server.id) in (Power.SUSPENDED, Power.PAUSED):
            driver.resume(server.id)
        driver.stop(server.id, force=False)
    except OrigoError as error:
        _log.warning("cannot ask a guest to shut down", server=server.id, error=error.message)


def _runs(core: Core, server: Server) -> bool:
    try:
        return nodes.hypervisor(core, server.node).state(server.id) is not Power.STOPPED
    except OrigoError as error:
        _log.warning("cannot ask what a server does", server=server.id, error=error.message)
        return False


def _report(core: Core, server: Server) -> None:
    issues.raise_(
        core.events,
        f"{ISSUE}{server.id}",
        f"cannot shut down server {server.name}: its guest does not react",
        remedy=f"origo servers poweroff {server.id}",
        noun="servers",
        target=server.id,
        owner=server.owner_id,
    )
