"""What an entry of the catalog says of itself: everything needed to install it, as plain JSON with a schema version."""

import base64
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import ConfigDict, Field

from origo.errors import BadInput, Unsupported
from origo.services.catalog.recipe import ICONS, MOST_ICON, Page, Question, Recipe, member_names
from origo.services.catalog.recipe_fields import Line, Mount, Name, Port, Sha256, Version, counted

SCHEMA = 1
"""Raised when a program that knows the older schema would misunderstand a newer descriptor."""

TOLERANT = ConfigDict(extra="ignore", defer_build=True)
"""Within one schema a newer program may add keys; an older one does without them."""

Icon = Annotated[
    str, Field(max_length=2 * MOST_ICON, pattern=r"^data:image/(png|svg\+xml|webp);base64,[A-Za-z0-9+/=]*$")
]
Size = Annotated[int, Field(strict=True, ge=0, le=1 << 60)]


@dataclass(frozen=True)
class Chunks:
    """Digests of a master's pieces of `size` bytes, in order, so that a broken download goes on where it broke."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    size: Annotated[int, counted(1 << 16, 1 << 30)]
    digests: tuple[Sha256, ...]


@dataclass(frozen=True)
class MasterFile:
    """One master's file: a qcow2 without backing file; `digest` names its content's recipe, `sha256` its bytes."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    role: Literal["system", "data"]
    members: tuple[Name, ...]
    digest: Sha256
    sha256: Sha256
    file_bytes: Size
    size_bytes: Size
    chunks: Chunks | None = None


@dataclass(frozen=True)
class Member:
    """One kind of server: `count` of them, the disks they get, and when they start (lowest `order` first)."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    name: Name
    count: Annotated[int, counted(1, 32)]
    memory_mb: Annotated[int, counted(1, 1 << 20)]
    cpus: Annotated[int, counted(1, 64)]
    order: Annotated[int, counted(0, 100)]
    system_bytes: Size
    data_bytes: Size = 0
    mount: Mount | None = None
    connection: Name = "internal"
    ports: tuple[Port, ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """What the servers of this kind are called."""
        return member_names(self.name, self.count)


@dataclass(frozen=True)
class Descriptor:
    """One version of a stack, as the catalog and a registry keep it; `icon` is a data URL."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    schema: Annotated[int, counted(1, SCHEMA)]
    name: Name
    version: Version
    title: Line
    digest: Sha256
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=32)]
    masters: tuple[MasterFile, ...]
    summary: str = ""
    icon: Icon | None = None
    page: Page | None = None
    questions: tuple[Question, ...] = ()

    def master(self, member: str, role: str) -> MasterFile:
        """The master that a member's disk is cloned from. Raises KeyError."""
        for file in self.masters:
            if file.role == role and member in file.members:
                return file
        raise KeyError(f"{member} has no {role} disk")


_adapter = pydantic.TypeAdapter(Descriptor)


def describe(recipe: Recipe, digest: str, masters: Sequence[MasterFile], icon: str | None = None) -> Descriptor:
    """The descriptor of a recipe whose masters are built."""
    return Descriptor(
        schema=SCHEMA,
        name=recipe.name,
        version=recipe.version,
        title=recipe.title,
        summary=recipe.summary,
        digest=digest,
        icon=icon,
        members=tuple(
            Member(
                name=server.name,
                count=server.count,
                memory_mb=server.memory_bytes >> 20,
                cpus=server.cpus,
                order=server.order,
                system_bytes=server.disk_bytes,
                data_bytes=server.data.size_bytes if server.data else 0,
                mount=server.data.mount if server.data else None,
                connection=server.connection.type,
                ports=server.connection.ports,
            )
            for server in recipe.servers
        ),
        masters=tuple(masters),
        page=recipe.page,
        questions=recipe.questions,
    )


def write(descriptor: Descriptor) -> dict[str, Any]:
    """The descriptor as plain JSON data."""
    return typing.cast(dict[str, Any], _adapter.dump_python(descriptor, mode="json"))


def read(data: Mapping[str, Any]) -> Descriptor:
    """A descriptor from JSON data. Raises Unsupported for a newer schema, BadInput for anything else that is wrong."""
    schema = data.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise Unsupported(
            f"cannot use the stack {data.get('name', '')}: its descriptor has schema {schema}",
            hint=f"this engine knows descriptors up to schema {SCHEMA}: update it",
        )
    try:
        found = _adapter.validate_python(dict(data))
    except pydantic.ValidationError as error:
        problems = [(".".join(map(str, entry["loc"])), entry["msg"]) for entry in error.errors(include_url=False)]
        text = "; ".join(f"{place}: {message}" for place, message in problems[:10])
        raise BadInput(f"cannot use the descriptor: {text}") from None
    _agree(found)
    return found


def icon_url(recipe: Recipe, folder: str | Path) -> str | None:
    """The recipe's icon as a data URL."""
    if not recipe.icon:
        return None
    path = Path(folder, recipe.icon)
    return f"data:{ICONS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _agree(found: Descriptor) -> None:
    """Every disk has exactly one master that fits it, and the page a server."""
    names = [member.name for member in found.members]
    needed = [(member.name, "system", member.system_bytes) for member in found.members]
    needed += [(member.name, "data", member.data_bytes) for member in found.members if member.data_bytes]
    held = [(name, file.role) for file in found.masters for name in file.members]
    if sorted(held) != sorted((name, role) for name, role, _ in needed) or len(set(names)) != len(names):
        raise BadInput(f"cannot use the descriptor of {found.name}: its members and its masters do not agree")
    for name, role, size in needed:
        if found.master(name, role).size_bytes > size:
            raise BadInput(
                f"cannot use the descriptor of {found.name}: {name}'s {role} disk is smaller than its master"
            )
    if found.page and found.page.server not in names:
        raise BadInput(f"cannot use the descriptor of {found.name}: its page is on a server that it does not have")
