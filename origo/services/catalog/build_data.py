"""A data disk: one file system that fills it, found by its label, holding what the build left at its mount point."""

from pathlib import Path

from origo.host import Host
from origo.services.catalog.seed import DATA_LABEL


def disk(host: Host, content: Path, size_bytes: int, target: Path) -> None:
    """Make a raw disk of that size whose file system holds what is in the folder `content`."""
    with target.open("wb") as file:
        file.truncate(size_bytes)
    host.run(argv(str(content), str(target)), timeout=3600)


def argv(content: str, target: str) -> list[str]:
    """The command that makes the file system; nothing is mounted for it."""
    return [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        DATA_LABEL,
        "-m",
        "0",
        "-E",
        "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard",
        "-d",
        content,
        target,
    ]
