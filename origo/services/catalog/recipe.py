"""A recipe is data: what a stack is built from and what it asks for, as frozen dataclasses."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from origo.services.catalog.recipe_fields import (
    DiskSize,
    Flag,
    Key,
    Line,
    Memory,
    Mode,
    Mount,
    Name,
    Owner,
    Package,
    Port,
    Prose,
    Sha256,
    SourcePath,
    Suite,
    TreePath,
    Unit,
    UrlPath,
    Version,
    Whole,
    Words,
    counted,
)

ICONS = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}
MOST_ICON = 64 << 10
REFUSE_UNKNOWN = ConfigDict(extra="forbid", defer_build=True)

Packages = Annotated[tuple[Package, ...], Field(max_length=500)]
Commands = Annotated[tuple[Prose, ...], Field(max_length=100)]
Ports = Annotated[tuple[Port, ...], Field(max_length=100)]


@dataclass(frozen=True)
class Base:
    """What the system starts from: a Debian `suite` built from packages, or an `image` (a file or a URL).

    `form` small is a kernel and a busybox in memory, full an ordinary Debian with systemd and cloud-init;
    `kernel` is cloud (small and quick, for virtual hardware) or generic (every driver).
    """

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    suite: Suite | None = None
    form: Literal["small", "full"] = "full"
    kernel: Literal["cloud", "generic"] = "cloud"
    image: Line | None = None
    sha256: Sha256 | None = None


@dataclass(frozen=True)
class File:
    """A file or folder of the recipe's folder (`source`), or text (`content`), put at `target` in the tree.

    Without a `mode`, files keep whether they can be executed (0755 or 0644).
    """

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    target: TreePath
    source: SourcePath | None = None
    content: Annotated[str, Field(strict=True, max_length=1 << 20)] | None = None
    mode: Mode | None = None
    owner: Owner = "0:0"


@dataclass(frozen=True)
class Service:
    """What is started at boot and, if it ends, again (`once`: never again).

    Without a `command` it is a service that a package brings, to be enabled.
    """

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    name: Unit
    command: Words | None = None
    once: Flag = False


@dataclass(frozen=True)
class Data:
    """A data disk: what the build leaves below `mount` becomes its first content; upgrades never touch it."""

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    size_bytes: Annotated[DiskSize, Field(alias="size")]
    mount: Mount


@dataclass(frozen=True)
class Connection:
    """How a server is connected, and the ports that it serves."""

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    type: Name = "internal"
    ports: Ports = ()


@dataclass(frozen=True)
class Content:
    """What is put on top of a base, in this order: packages, files, commands, services."""

    packages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    commands: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()


@dataclass(frozen=True)
class Server:
    """One kind of server of the stack, `count` of them; its packages, files and so on come after the recipe's own.

    Servers of a lower `order` start first.
    """

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    name: Name
    memory_bytes: Annotated[Memory, Field(alias="memory")]
    disk_bytes: Annotated[DiskSize, Field(alias="disk")]
    count: Annotated[int, counted(1, 32)] = 1
    cpus: Annotated[int, counted(1, 64)] = 1
    order: Annotated[int, counted(0, 100)] = 0
    data: Data | None = None
    connection: Connection = Connection()
    packages: Packages = ()
    commands: Commands = ()
    files: Annotated[tuple[File, ...], Field(alias="file", max_length=500)] = ()
    services: Annotated[tuple[Service, ...], Field(alias="service", max_length=100)] = ()


@dataclass(frozen=True)
class Page:
    """The stack's own page, shown inside Origo's."""

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    server: Name
    port: Port = 80
    path: UrlPath = "/"


@dataclass(frozen=True)
class Question:
    """What is asked at install; `least` and `most` bound a number or a text's length, `pattern` the whole text."""

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    name: Key
    title: Line
    type: Literal["text", "password", "integer", "choice", "boolean"] = "text"
    help: Line | None = None
    default: Annotated[str, Field(strict=True, max_length=4096)] | Whole | Flag | None = None
    required: Flag = False
    choices: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    pattern: Annotated[str, Field(strict=True, max_length=500)] | None = None
    least: Whole | None = None
    most: Whole | None = None


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; `icon` is a picture in its folder."""

    __pydantic_config__: ClassVar[ConfigDict] = REFUSE_UNKNOWN

    name: Name
    version: Version
    title: Line
    base: Base
    servers: Annotated[tuple[Server, ...], Field(alias="server", min_length=1, max_length=32)]
    summary: Line = ""
    icon: SourcePath | None = None
    packages: Packages = ()
    commands: Commands = ()
    files: Annotated[tuple[File, ...], Field(alias="file", max_length=500)] = ()
    services: Annotated[tuple[Service, ...], Field(alias="service", max_length=100)] = ()
    page: Page | None = None
    questions: Annotated[tuple[Question, ...], Field(alias="question", max_length=50)] = field(default=())


def content(recipe: Recipe, server: Server) -> Content:
    """All that this server's system is made of besides the base: the recipe's own, then the server's."""
    return Content(
        packages=tuple(sorted({*recipe.packages, *server.packages})),
        files=recipe.files + server.files,
        commands=recipe.commands + server.commands,
        services=recipe.services + server.services,
    )


def member_names(name: str, count: int) -> tuple[str, ...]:
    """What the servers of one kind are called: `web`, or `web-1`, `web-2` and so on if there are several."""
    return (name,) if count == 1 else tuple(f"{name}-{number}" for number in range(1, count + 1))
