"""A program that must keep running on a host, described so that the core can supervise it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServiceSpec:
    """One program: `argv` stays in the foreground; `files` (path to content) are written before it starts.

    `ready` is a path that exists (a socket, a pid file) once the program works; empty: as soon as it runs.
    `stale` are paths that the program leaves when it is killed and cannot start with (sockets): removed before it does.
    `children_stay`: what it has started goes on without it, as libvirtd's guests do; else it ends with the program.
    A changed spec restarts the program; a changed file alone makes it re-read (SIGHUP).
    """

    name: str
    argv: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""
    stale: tuple[str, ...] = ()
    children_stay: bool = False


class Services(ABC):
    """A driver class that also inherits this one needs programs on its host, which the core is to keep running."""

    @abstractmethod
    def services(self) -> tuple[ServiceSpec, ...]:
        """The programs, in the order in which they must start; none where the host itself looks after them."""
