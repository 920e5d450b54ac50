"""Where images lie: what a storage driver promises. It owns places; formats are the core's."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from origo.contracts.driver import Driver


@dataclass(frozen=True)
class PoolSpec:
    """A pool: `path` is the folder where it appears, the same on every node; `options` are the driver's own
    (such as devices for a ZFS pool), `id` the engine's number of it."""

    id: int
    name: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PoolUsage:
    """A pool's room in bytes, and its health: `ok`, `degraded` or `failed` with a sentence that says why."""

    total_bytes: int
    free_bytes: int
    health: str = "ok"
    sentence: str = ""


@dataclass(frozen=True)
class Place:
    """Where an image lies: `area` is images, masters, trash or engine; `name` is one file name, never a path."""

    area: str
    name: str


class Storage(Driver):
    """Makes pools and the places in them. Nothing that Origo did not put there is ever removed."""

    @abstractmethod
    def render(self, pool: PoolSpec) -> str:
        """The commands that `create` would run, one per line, without running them."""

    @abstractmethod
    def examine(self, pool: PoolSpec) -> None:
        """Raise what `create` would raise for what lies at the path and on the devices now; nothing is changed."""

    @abstractmethod
    def create(self, pool: PoolSpec) -> None:
        """Make the pool and its areas (images, masters, trash, engine); one that is there is left as it is.

        Raises Conflict when the path or the devices hold something else, BadInput for options that make no sense.
        """

    @abstractmethod
    def destroy(self, pool: PoolSpec) -> None:
        """Remove an empty pool; one that is not this pool is left. Raises Conflict while an image is in it."""

    @abstractmethod
    def open(self, pool: PoolSpec) -> None:
        """Make an existing pool usable on this host (import, mount), such as after a reboot. Raises NotFound."""

    @abstractmethod
    def usage(self, pool: PoolSpec) -> PoolUsage:
        """Its room and health now. Raises NotFound when it is not there."""

    @abstractmethod
    def place(self, pool: PoolSpec, place: Place) -> str:
        """The absolute path of a place, whether anything lies there or not; nothing is made. Raises BadInput for a
        name that is not one plain file name."""

    @abstractmethod
    def list(self, pool: PoolSpec, area: str) -> Mapping[str, int]:
        """Names in an area, with the bytes they allocate. Raises NotFound when the pool is not there."""

    @abstractmethod
    def move(self, pool: PoolSpec, place: Place, target: Place) -> None:
        """Rename within the pool, such as into the trash and back; done already is fine.

        Raises NotFound when neither is there, Conflict when both are.
        """

    @abstractmethod
    def seal(self, pool: PoolSpec, place: Place) -> None:
        """Make a master unchangeable: owned by root, mode 0444, on disk. Raises NotFound, Conflict for half a file."""

    @abstractmethod
    def remove(self, pool: PoolSpec, place: Place) -> None:
        """Remove what lies there for good; absent is fine. Raises NotFound when the pool is not there."""


class Takeover(ABC):
    """A storage's class that also inherits this one knows which machine used a pool last."""

    @abstractmethod
    def take(self, pool: PoolSpec) -> None:
        """Open a pool as `Storage.open` does, also one that another machine used last and did not give back.

        Raises Conflict, and changes nothing, when anybody writes to it while this looks.
        """


class Exports(ABC):
    """A storage's class that also inherits this one can let other machines mount its pools by NFS."""

    @abstractmethod
    def exports(self, pool: PoolSpec, addresses: Sequence[str]) -> str:
        """Lines for exports(5) that let those machines, and no others, mount the pool's images, and its masters for
        reading only, at the paths that they have here; nothing is changed. Trash and engine are never among them."""
