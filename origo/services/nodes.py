"""Nodes: the machines that run servers, their drivers, and whether one more server fits."""

from typing import Any

import peewee

from origo.contracts import Hypervisor, Services
from origo.errors import NoRoom, NotFound
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import access, listing
from origo.services.access import Actor


def list_(core: Core, actor: Actor, query: Any) -> dict[str, Any]:
    """All nodes."""
    access.require(actor, "nodes.list")
    promised = _promised()
    return listing.page(Node.select(), Node, query, lambda node: show_row(core, node, promised.get(node.id, 0)))


def show(core: Core, actor: Actor, id: str) -> dict[str, Any]:
    """One node, with what its hypervisor can do."""
    access.require(actor, "nodes.list")
    node = Node.get_or_none((Node.id == id) | (Node.name == id))
    if node is None:
        raise NotFound(f"cannot find node {id}")
    facts = hypervisor(core, node).info()
    return show_row(core, node, promised_mb(node)) | {
        "title": facts.title,
        "version": facts.version,
        "accelerated": facts.accelerated,
        "notes": dict(facts.notes),
    }


def show_row(core: Core, node: Node, promised: int) -> dict[str, Any]:
    """A node as administrators see it; memory in MB. What of it is available is known of this machine only."""
    return {
        "id": node.id,
        "name": node.name,
        "address": node.address,
        "hypervisor": node.hypervisor,
        "state": node.state,
        "cpus": node.cpus,
        "memory_mb": node.memory_mb,
        "memory_promised_mb": promised,
        "memory_available_mb": None if node.address else available_mb(core),
    }


def hypervisor(core: Core, node: Node) -> Hypervisor:
    """The driver of that node's hypervisor."""
    return core.drivers.hypervisor(node.hypervisor, core.local, node.options)


def ensure_local(core: Core) -> Node:
    """The row of this machine, with its memory and CPUs as they are now."""
    node = Node.get_or_none(Node.name == "local")
    node = node or Node.create(name="local", hypervisor=core.config["hypervisor"])
    node.options = {"state": core.config.path("hypervisor"), "daemon": core.config["libvirt"]}
    node.memory_mb = meminfo(core)["MemTotal"] // 1024
    node.cpus = int(core.local.run(["nproc", "--all"]).text)
    node.save()
    return node


def boot(core: Core, node: Node) -> str:
    """What tells this boot of the node's machine from any other."""
    return core.local.read("/proc/sys/kernel/random/boot_id").decode().strip()


def start_programs(core: Core) -> None:
    """Start what the hypervisor of this machine needs to run, such as its daemon."""
    driver = hypervisor(core, Node.get(Node.name == "local"))
    if isinstance(driver, Services):
        for service in driver.services():
            core.supervisor.ensure(service)


def choose() -> Node:
    """The node for a new server: the one with the most memory not promised to servers."""
    running = list(Node.select().where(Node.state == "running"))
    promised = _promised()
    best: Node = max(running, key=lambda node: node.memory_mb - promised.get(node.id, 0))
    return best


def promised_mb(node: Node) -> int:
    """The memory, in MB, of all servers on this node that run or are to run."""
    return _promised(Server.node == node).get(node.id, 0)


def available_mb(core: Core) -> int:
    """The memory, in MB, that this machine could still give to programs."""
    return meminfo(core)["MemAvailable"] // 1024


def admit(core: Core, node: Node, what: str, memory_mb: int) -> None:
    """Raise NoRoom when the node's memory is too small for servers of `memory_mb` more; called inside a transaction."""
    reserve = core.config["memory_reserve_mb"]
    left = node.memory_mb - reserve - promised_mb(node)
    if not node.address:
        left = min(left, available_mb(core) - reserve)
    if memory_mb > left:
        raise NoRoom(
            f"cannot {what}: it needs {memory_mb} MB of memory, and node {node.name} has {max(left, 0)} MB left",
            hint="stop a server, or give it less memory",
            details={"wanted_mb": memory_mb, "left_mb": max(left, 0)},
        )


def _promised(*among: Any) -> dict[str, int]:
    """The memory of all servers `among` these that run or are to run, by node."""
    wanted = (Server.desired != "stopped", Server.state != "trashed", *among)
    rows: Any = Server.select(Server.node, peewee.fn.SUM(Server.memory_mb)).where(*wanted).group_by(Server.node)
    return dict(rows.tuples())


def meminfo(core: Core) -> dict[str, int]:
    """The memory of this machine in KiB, as the kernel tells it."""
    lines = core.local.read("/proc/meminfo").decode().splitlines()
    return {name: int(rest.split()[0]) for name, rest in (line.split(":", 1) for line in lines)}
