"""What several nouns' requests have in common."""

from typing import Annotated

from pydantic import Field

from origo.api.route import Page

DiskBytes = Annotated[int, Field(gt=0, le=64 << 40)]
"""A disk's size in bytes, at most 64 TiB."""

MemoryMb = Annotated[int, Field(ge=16, le=16 << 20)]
"""A server's memory in MB, at most 16 TiB."""

Cpus = Annotated[int, Field(ge=1, le=1024)]
"""A server's virtual CPUs."""

Key = Annotated[str, Field(max_length=100)]
"""An id or a name of something that is there."""


class TrashPage(Page):
    """The query of a list of things that may be in the trash; with `trash` those, instead of the others."""

    trash: bool = False
