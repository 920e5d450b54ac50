"""Running servers: what a hypervisor promises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from origo.contracts.driver import Driver, Lack


class Power(StrEnum):
    """What a server is doing, as its hypervisor sees it."""

    STOPPED = "stopped"
    RUNNING = "running"
    STOPPING = "stopping"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    """Stopped in its tracks by the hypervisor, such as for a full pool."""
    CRASHED = "crashed"


@dataclass(frozen=True)
class DiskSpec:
    """One disk, in the order the guest sees them.

    `backing` are the files below a qcow2 child, nearest first, as (path, format): they are opened for reading only and
    never relabelled or given to another owner. `serial` is shown to the guest, at most 20 characters.
    """

    path: str
    format: str
    backing: tuple[tuple[str, str], ...] = ()
    removable: bool = False
    read_only: bool = False
    serial: str = ""


@dataclass(frozen=True)
class NicSpec:
    """One network card: on `bridge`, through the tap device `tap` (a name the core chose, at most 15 characters)."""

    mac: str
    bridge: str
    tap: str


@dataclass(frozen=True)
class ServerSpec:
    """A server as it is to be defined; `id` is a UUID, `name` what people see."""

    id: str
    name: str
    memory_mb: int
    cpus: int
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    boot: str = "disk"
    """What is booted first: disk, cdrom or network."""
    hardware: str = ""
    """What `define` returned for this server the first time."""


@dataclass(frozen=True)
class Usage:
    """What a running server used since it started; times in nanoseconds, sizes in bytes."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    disk_read_bytes: int = 0
    disk_written_bytes: int = 0
    net_received_bytes: int = 0
    net_sent_bytes: int = 0


@dataclass(frozen=True)
class StateEvent:
    """A server's state changed; `id` is empty when the connection was lost and came back: ask for all states again."""

    id: str
    state: Power = Power.STOPPED
    reason: str = ""


class Watch:
    """A subscription; close it to end it. Closing twice is fine."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def close(self) -> None:
        """End the subscription: after this returns the callback is not called again."""
        self._close()


class Hypervisor(Driver):
    """Defines, starts and stops servers. Servers that Origo did not make are never listed nor touched (NotFound)."""

    @abstractmethod
    def render(self, spec: ServerSpec) -> str:
        """The text that `define` would apply, without applying it."""

    @abstractmethod
    def define(self, spec: ServerSpec) -> str:
        """Make the server known, or change it; a running one has the change from its next start.

        Returns a name for its hardware (machine type), which the core gives back in `spec.hardware`: so the guest
        finds the same even where the hypervisor has forgotten the server. Empty where there is nothing to remember.
        Raises Unsupported for what the hypervisor cannot do, Conflict when the id or the name is taken by a stranger.
        """

    @abstractmethod
    def undefine(self, id: str) -> None:
        """Forget a stopped server; its disks stay. Raises Conflict while it runs."""

    @abstractmethod
    def start(self, id: str) -> None:
        """Start a stopped server; one that runs stays as it is. Raises NoRoom when there is too little memory."""

    @abstractmethod
    def stop(self, id: str, *, force: bool) -> None:
        """Ask the guest to shut down and return at once, or (`force`) turn the power off and return when it is off."""

    @abstractmethod
    def suspend(self, id: str) -> None:
        """Stop the processors of a running server; its memory stays. Raises Conflict when it is stopped."""

    @abstractmethod
    def resume(self, id: str) -> None:
        """Let a suspended or paused server go on. Raises Conflict when it is stopped."""

    @abstractmethod
    def reset(self, id: str) -> None:
        """Push the reset button of a running server. Raises Conflict when it is stopped."""

    @abstractmethod
    def state(self, id: str) -> Power:
        """What the server is doing. Raises NotFound."""

    @abstractmethod
    def list(self) -> Mapping[str, Power]:
        """All servers that Origo made on this host, by id, in one call."""

    @abstractmethod
    def stats(self) -> Mapping[str, Usage]:
        """What all running servers use, by id, in one call."""

    @abstractmethod
    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Call `on_event` at each change of state, from a thread of the driver's own; reconnects by itself."""


class Reasons(ABC):
    """A hypervisor's class that also inherits this one remembers why servers stopped."""

    @abstractmethod
    def reason(self, id: str) -> str:
        """Why a server is stopped, in the words of its event; empty when it is not known. Raises NotFound."""


class Confinement(ABC):
    """A hypervisor's class that also inherits this one has its host hold each running server to its own files."""

    @abstractmethod
    def unconfined(self) -> Lack | None:
        """What is missing where a running server could reach more; None if each is held. Fatal: it should be there."""
