"""What all drivers share: how they are made, what they say of themselves, what their host lacks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from origo.host import Host


@dataclass(frozen=True)
class Lack:
    """Something the host lacks for this driver: a sentence, the remedy, and whether the driver can work without it."""

    sentence: str
    remedy: str
    fatal: bool = True


@dataclass(frozen=True)
class Facts:
    """What a driver can do on its host: flags False by default, limits, disk formats; asked once, then remembered."""

    title: str
    version: str = ""
    formats: tuple[str, ...] = ()
    """Disk formats a hypervisor can start from, the best one first."""
    backing_files: bool = False
    """Children may be qcow2 files with a backing file; otherwise a child is a full copy."""
    accelerated: bool = False
    """Guests run on the processor itself, not under emulation."""
    snapshots: bool = False
    """Whole pools can be snapshotted."""
    max_cpus: int = 0
    """Virtual CPUs one server may have; 0 is unknown."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Anything else worth showing to a person, such as why the accelerator is not used."""


class Driver(ABC):
    """One way to do things on one host. Made once for each host; remembers nothing that the host does not.

    Every method may be called twice with the same arguments; deleting what is absent succeeds; reading what is absent
    raises NotFound. Only what this driver made is ever changed or removed.
    """

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        """`options` are settings of the node or the pool; unknown ones are ignored."""
        self.host = host
        self.options = options

    @abstractmethod
    def check(self) -> list[Lack]:
        """What the host lacks; an empty list means that everything works."""

    @abstractmethod
    def info(self) -> Facts:
        """What this driver can do here. Raises Unavailable when that cannot be found out now."""


class Closing(ABC):
    """A driver class that also inherits this one holds connections or threads, which it lets go when it is closed."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; what it made stays as it is. Twice is fine; the driver is not used afterwards."""
