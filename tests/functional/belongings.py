"""One thing of every noun, all of one user's; and a body for every request that needs one."""

from typing import Any

from origo import model
from origo.model import User

NAME = "victims-own"

BODIES: dict[str, Any] = {
    "UserCreate": {"name": "intruder"},
    "UserEdit": {"name": "intruded"},
    "ResetAdmin": {},
    "BackUp": {},
    "Restore": {"key": "k"},
    "Recover": {"key": "k"},
    "SetCertificate": {"chain": "x", "key": "x"},
    "OrderCertificate": {},
    "SetUp": {"domain": "intruder.example"},
    "PasswordChange": {"password": "correct horse battery"},
    "TokenCreate": {"name": "mine now"},
    "PoolCreate": {"name": "p2", "driver": "storage_rsync", "path": "/p2"},
    "PoolExport": {"to": ["192.0.2.7"]},
    "NetworkCreate": {"name": "n2"},
    "ImageCreate": {"name": "i2", "size_bytes": 1 << 20},
    "ImageImport": {"name": "i3", "file": "x.qcow2"},
    "ImageClone": {"name": "i4"},
    "ImageGrow": {"size_bytes": 8 << 20},
    "ServerCreate": {"name": "s2"},
    "ServerEdit": {"name": "s3"},
    "Build": {"folder": "/nowhere"},
    "Install": {"stack": "nothing"},
}


def of(owner: User) -> dict[str, str]:
    """Make them; the id by the noun's part of a path."""
    pool = model.Pool.create(id=0, name="pool", driver="storage_rsync", path="/pool", state="ready", created=1.0)
    image = model.Image.create(name=NAME, owner=owner, pool=pool, state="ready", size_bytes=1 << 20)
    operation = model.OperationRow.create(
        kind="stack.start", noun="stacks", target="x", args={}, status="stuck", by=owner.id, owner=owner.id,
        created=1.0, error={"code": "x", "message": f"cannot {NAME}", "hint": "", "details": {}},
    )  # fmt: skip
    issue = model.Issue.create(key="k", owner=owner.id, sentence=f"{NAME} is ill")
    token = model.Token.create(user=owner, name=NAME, secret="s" * 64)
    session = model.Session.create(id="a" * 64, user=owner, host="origo.localhost", created=1.0, expires=4e9)
    return _stack(owner) | {
        "users": owner.id, "pools": "0", "images": image.id, "operations": str(operation.id),
        "issues": issue.id, "token": token.id, "session": session.id[:16],
    }  # fmt: skip


def _stack(owner: User) -> dict[str, str]:
    node = model.Node.create(name="node", hypervisor="hypervisor_kvm", memory_mb=4096, cpus=2)
    network = model.Network.create(
        name=NAME, number=7, owner=owner, driver="net_iptables", bridge="origo7", subnet="10.7.0.0/24",
        gateway="10.7.0.1",
    )  # fmt: skip
    entry = model.CatalogStack.create(
        name="hello", version="1", title="Hello", digest="d", descriptor={"questions": []}, state="ready"
    )
    stack = model.Stack.create(
        name=NAME, owner=owner, entry=entry, label="victims-a1b2", state="ready",
        page={"member": "web", "port": 80, "path": "/start"},
    )  # fmt: skip
    server = model.Server.create(
        name=NAME, owner=owner, node=node, stack=stack, member="web", memory_mb=64, state="ready", power="running",
        desired="running",
    )  # fmt: skip
    model.Connection.create(network=network, server=server, mac="52:54:00:00:00:01", address="10.7.0.2", tap="tap1")
    return {
        "nodes": node.id, "networks": network.id, "servers": server.id, "catalog": entry.id, "stacks": stack.id,
    }  # fmt: skip
