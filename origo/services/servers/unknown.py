"""Servers that run though the engine knows none of them, such as those made after the backup that it is now."""

from collections.abc import Mapping

from origo.contracts import Hypervisor, Power
from origo.errors import NotFound
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import issues

KEY = "unknown-server/"
REMEDY = (
    "an engine before this one made it, which `origo engine recover` brings back where nobody has set this one up; or "
    "this one did after the backup that it was restored from: then end it on its node by the hypervisor's own means, "
    "such as `virsh shutdown`, and keep its disks until it has ended"
)


def look(core: Core, node: Node, driver: Hypervisor, found: Mapping[str, Power]) -> None:
    """Report those on a node, until they run no more; `found` is what its hypervisor said a moment ago."""
    running = {id for id, power in found.items() if power is not Power.STOPPED}
    known = Server.select(Server.id).where(Server.state != "trashed")
    strange = running - {row.id for row in known.where(Server.node == node)}
    strange -= {row.id for row in known.where(Server.id.in_(list(strange)))}
    told = {id for id in strange if _runs(driver, id)}
    for id in told:
        sentence = f"a server runs on node {node.name} that this engine does not know: {id}"
        issues.raise_(core.events, f"{KEY}{node.id}/{id}", sentence, remedy=REMEDY)
    issues.end_others(core.events, f"{KEY}{node.id}/", told)


def _runs(driver: Hypervisor, id: str) -> bool:
    """Whether it still does: it may have been deleted since."""
    try:
        return driver.state(id) is not Power.STOPPED
    except NotFound:
        return False
