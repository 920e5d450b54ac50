"""A storage whose pools have as much room as a test says."""

from collections.abc import Mapping
from pathlib import Path

from origo import model
from origo.contracts import PoolUsage
from origo.contracts.storage import PoolSpec
from origo.host import Host
from origo.operations.core import Core
from origo.testing.fake_storage import FakeStorage


class Shelf(FakeStorage):
    """Pools whose troubles are files beside them, and whose room is what a file says."""

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        world = Path(str(model.database.obj.database)).parent / "world"
        super().__init__(host, {"world": str(world)})

    def usage(self, pool: PoolSpec) -> PoolUsage:
        usage = super().usage(pool)
        total, free = (int(word) for word in (self.world / "room").read_text().split())
        return PoolUsage(total, free, usage.health, usage.sentence)


def room(core: Core, total: int, free: int) -> None:
    Path(core.config.path("world", "room")).write_text(f"{total} {free}")
