"""Routes of servers."""

from typing import Annotated, Literal

from pydantic import Field

from origo.api.models import Cpus, DiskBytes, Key, MemoryMb, TrashPage
from origo.api.route import Kind, Model, Route
from origo.services import servers
from origo.services.naming import Name


class DiskCreate(Model):
    """One disk: a child of a `master` (of at least `size_bytes`), an `image` that is there, or an empty one."""

    master: Key = ""
    image: Key = ""
    size_bytes: DiskBytes | None = None
    pool: Key = "0"


class ServerCreate(Model):
    """A server; the first disk is its system, further ones are data. Without a network it gets the owner's default."""

    name: Name
    memory_mb: MemoryMb = 1024
    cpus: Cpus = 1
    disks: list[DiskCreate] = Field(default_factory=list, max_length=8)
    media: list[Key] = Field(default_factory=list, max_length=2)
    network: Key = ""
    ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(default_factory=list, max_length=100)
    boot: Literal["disk", "cdrom", "network"] = "disk"
    start: bool = True


class ServerEdit(Model):
    """What is to change; a running server notices memory and CPUs at its next start."""

    name: Name | None = None
    memory_mb: MemoryMb | None = None
    cpus: Cpus | None = None


CHANGE = Kind.CHANGE

ROUTES = [
    Route("GET", "/servers", servers.list_, "List servers", query=TrashPage),
    Route("POST", "/servers", servers.create, "Create a server", CHANGE, body=ServerCreate),
    Route("GET", "/servers/{id}", servers.show, "Show a server with its disks and connections"),
    Route("PATCH", "/servers/{id}", servers.edit, "Change a server", CHANGE, body=ServerEdit),
    Route("DELETE", "/servers/{id}", servers.delete, "Move a server into the trash", CHANGE),
    Route("POST", "/servers/{id}/start", servers.start, "Start a server", CHANGE),
    Route("POST", "/servers/{id}/shutdown", servers.shutdown, "Ask the guest to shut down", CHANGE),
    Route("POST", "/servers/{id}/poweroff", servers.poweroff, "Turn a server's power off", CHANGE),
    Route("POST", "/servers/{id}/suspend", servers.suspend, "Suspend a running server", CHANGE),
    Route("POST", "/servers/{id}/resume", servers.resume, "Resume a suspended server", CHANGE),
    Route("POST", "/servers/{id}/reset", servers.reset, "Reset a running server", CHANGE),
    Route("POST", "/servers/{id}/rebuild", servers.rebuild, "Give a stopped server a fresh system disk", CHANGE),
    Route("POST", "/servers/{id}/console", servers.console, "Open a server's serial line", Kind.ACT),
    Route("POST", "/servers/{id}/undelete", servers.undelete, "Take a server out of the trash", CHANGE),
    Route("POST", "/servers/{id}/purge", servers.purge, "Remove a server in the trash for good", CHANGE),
]
