"""The medium that tells a stack's server who it is: its secrets are there only while a hypervisor opens it."""

import json

from origo.contracts import Hypervisor
from origo.model import CatalogStack, Server, Stack
from origo.operations.core import Core
from origo.services import naming, pools
from origo.services.catalog import descriptor, seed
from origo.services.servers import spec


def write(core: Core, server: Server, *, secrets: bool = False) -> None:
    """Replace the medium."""
    core.local.write(spec.seed_path(core, server), seed.image(_seed(core, server, secrets)), mode=0o600)


def remove(core: Core, server: Server) -> None:
    """Remove the medium for good."""
    pool = spec.system_pool(server)
    pools.driver(core, pool).remove(pools.spec(pool), spec.seed_place(server))


def start(core: Core, driver: Hypervisor, server: Server) -> None:
    """Start a server whose medium has all answers at that moment.

    The guest goes on reading what was opened then, even when it boots again by itself; the file of that name has no
    secrets any more once this returns.
    """
    if not _has_secrets(server):
        driver.start(server.id)
        return
    write(core, server, secrets=True)
    try:
        driver.start(server.id)
    finally:
        write(core, server)


def hide(core: Core, server: Server) -> None:
    """No secrets are left of a start that was cut off."""
    if _has_secrets(server):
        write(core, server)


def _has_secrets(server: Server) -> bool:
    return bool(server.seed and server.stack and server.stack.secret)


def _seed(core: Core, server: Server, secrets: bool) -> seed.Seed:
    stack = Stack.get_by_id(server.stack_id)
    described = descriptor.read(CatalogStack.get_by_id(stack.entry_id).descriptor)
    member = next(member for member in described.members if server.member in member.servers)
    answers = dict(stack.answers)
    if secrets:
        answers |= json.loads(core.secrets.unseal(stack.secret))
    return seed.Seed(
        instance=server.id,
        hostname=naming.host_name(server.name),
        stack=stack.name,
        member=server.member,
        answers=answers,
        mount=member.mount,
    )
