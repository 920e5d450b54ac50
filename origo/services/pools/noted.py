"""What the notes in a pool say: their shape, checked, since a disk may come from anywhere."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pydantic
from pydantic import ConfigDict, Field

SCHEMA = 1
"""Raised when a program that knows the older schema would misunderstand newer notes."""
TOLERANT = ConfigDict(extra="ignore", defer_build=True)
"""Within one schema a newer program may add keys; an older one does without them."""

Word = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Count = Annotated[int, Field(ge=0, le=1 << 53)]


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


_HEAD = pydantic.TypeAdapter(Head)


def head(text: bytes) -> Head | None:
    """Whose notes these are; None for what is none."""
    try:
        return _HEAD.validate_json(text, strict=True)
    except pydantic.ValidationError:
        return None
