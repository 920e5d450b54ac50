"""What several nouns' requests have in common."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from origo.api.route import Page

SECTOR, LEAST_BYTES, MOST_BYTES = 512, 1 << 20, 64 << 40


def _disk_size(size_bytes: int) -> int:
    if not LEAST_BYTES <= size_bytes <= MOST_BYTES:
        raise ValueError("it must be from 1 MiB to 64 TiB")
    return -(-size_bytes // SECTOR) * SECTOR


DiskBytes = Annotated[
    int,
    AfterValidator(_disk_size),
    WithJsonSchema({"type": "integer", "minimum": LEAST_BYTES, "maximum": MOST_BYTES}),
]
"""A disk's size in bytes: at least 1 MiB, since even an empty one takes 200 KiB, and a whole number of sectors."""

MemoryMb = Annotated[int, Field(ge=16, le=16 << 20)]
"""A server's memory in MB, at most 16 TiB."""

Cpus = Annotated[int, Field(ge=1, le=1024)]
"""A server's virtual CPUs."""

Key = Annotated[str, Field(max_length=100)]
"""An id or a name of something that is there."""


class TrashPage(Page):
    """The query of a list of things that may be in the trash; with `trash` those, instead of the others."""

    trash: bool = False
