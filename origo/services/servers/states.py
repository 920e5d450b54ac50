"""What a server does: asked, noted, and told who listens."""

from origo import model
from origo.contracts import Hypervisor, Power
from origo.errors import NotFound
from origo.model import Server
from origo.operations.core import Core
from origo.services.servers import wishes


def now(driver: Hypervisor, server: str) -> Power:
    """What it does at this moment; one that is not defined is stopped."""
    try:
        return driver.state(server)
    except NotFound:
        return Power.STOPPED


def record(core: Core, server: str, power: Power, *, by_itself: bool = False) -> bool:
    """Note what a server does now, and say so if that is new. Returns whether it was.

    `by_itself` says that its guest ended without being told to by its hypervisor.
    """
    row = Server.get_or_none(Server.id == server)
    if row is None or row.power == power:
        return False
    with model.database.atomic():
        Server.update(power=power).where(Server.id == server).execute()
        if by_itself:
            wishes.ended(server)
        core.events.emit("server.power", "servers", server, owner=row.owner_id, name=row.name, power=str(power))
    return True
