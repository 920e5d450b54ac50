"""Servers that run and of which no row is there, such as those made after the backup that the engine is now."""

from collections.abc import Mapping

from origo.contracts import Hypervisor, Power
from origo.errors import NotFound
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import issues

KEY = "unknown-server/"
REMEDY = (
    "it was made after the backup that this engine was restored from, and its disks are images of no server: "
    "look at it by `virsh dominfo origo-{id}`, end it by `virsh shutdown origo-{id}`"
)


def look(core: Core, node: Node, driver: Hypervisor, found: Mapping[str, Power]) -> None:
    """Report those on a node, until they run no more; `found` is what its hypervisor said a moment ago."""
    running = {id for id, power in found.items() if power is not Power.STOPPED}
    known = {row.id for row in Server.select(Server.id).where(Server.node == node)}
    if running - known:
        known |= {row.id for row in Server.select(Server.id).where(Server.id.in_(list(running - known)))}
    told = {id for id in running - known if _runs(driver, id)}
    for id in told:
        sentence = f"a server runs on node {node.name} that this engine does not know: {id}"
        issues.raise_(core.events, f"{KEY}{node.id}/{id}", sentence, remedy=REMEDY.format(id=id))
    issues.end_others(core.events, f"{KEY}{node.id}/", told)


def _runs(driver: Hypervisor, id: str) -> bool:
    """Whether it still does: it may have been deleted since."""
    try:
        return driver.state(id) is not Power.STOPPED
    except NotFound:
        return False
