"""What the notes in a pool say: their shape, checked, since a disk may come from anywhere."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import ConfigDict, Field

from origo.errors import Conflict

SCHEMA = 1
"""Raised when a program that knows the older schema would misunderstand newer notes."""
TOLERANT = ConfigDict(extra="ignore", defer_build=True)
"""Within one schema a newer program may add keys; an older one does without them."""

Word = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Size = Annotated[int, Field(ge=0, le=1 << 60)]
Moment = Annotated[float, Field(ge=0, le=1 << 40, allow_inf_nan=False)]


@dataclass(frozen=True)
class OfEngine:
    """Whose pool it is."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    id: Word
    name: Word


@dataclass(frozen=True)
class Head:
    """What notes of every schema say."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    schema: Count
    engine: OfEngine


@dataclass(frozen=True)
class OfImage:
    """What an image was."""

    __pydantic_config__: ClassVar[ConfigDict] = TOLERANT

    id: Word
    name: Word
    owner: Word
    kind: Literal["master", "child", "plain"]
    content: Literal["disk", "iso"]
    format: Word
    size_bytes: Size
    state: Literal["creating", "ready", "trashed"]
    created: Moment
    master: Word | None = None
    trashed: Moment | None = None


@dataclass(frozen=True)
class Noted(Head):
    """What is read back: how often it was written, and each image."""

    count: Count = 0
    images: tuple[OfImage, ...] = ()


_HEAD = pydantic.TypeAdapter(Head)
_ALL = pydantic.TypeAdapter(Noted)


def head(text: bytes) -> Head | None:
    """Whose notes these are; None for what is none."""
    try:
        return _HEAD.validate_json(text, strict=True)
    except pydantic.ValidationError:
        return None


def parse(text: bytes, path: str) -> Noted:
    """All of them. Raises Conflict, with where they are wrong, for what is none."""
    try:
        return _ALL.validate_json(text, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise Conflict(
            f"cannot read {path}: {place} is wrong: {first['msg']}",
            hint="if nobody needs it: remove that file, and it is written anew",
        ) from None
