"""Servers that run though the engine knows none of them, such as those made after the backup that it is now."""

from origo.contracts import Hypervisor, Power
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import issues
from origo.services.servers import states

KEY = "unknown-server/"
REMEDY = (
    "an engine before this one made it, which `origo engine recover` brings back where nobody has set this one up; or "
    "this one did after the backup that it was restored from: then end it on its node by the hypervisor's own means, "
    "such as `virsh shutdown`, and keep its disks until it has ended"
)


def look(core: Core, node: Node, driver: Hypervisor, running: set[str]) -> None:
    """Report what runs on a node, until it ends; `running` is what did a moment ago and is no server of that node."""
    known = Server.select(Server.id).where(Server.id.in_(list(running)) & (Server.state != "trashed"))
    strange = running - {row.id for row in known}
    told = {id for id in strange if states.now(driver, id) is not Power.STOPPED}
    for id in told:
        sentence = f"a server runs on node {node.name} that this engine does not know: {id}"
        issues.raise_(core.events, f"{KEY}{node.id}/{id}", sentence, remedy=REMEDY)
    issues.end_others(core.events, f"{KEY}{node.id}/", told)
