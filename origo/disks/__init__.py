"""Disk images and their formats: the only user of qemu-img. Places are the storage drivers', formats are made here."""

from origo.disks.foreign import examine, import_file
from origo.disks.image import CheckFacts, DiskFacts, check, convert, create, create_child, flatten, grow, inspect

__all__ = [
    "CheckFacts",
    "DiskFacts",
    "check",
    "convert",
    "create",
    "create_child",
    "examine",
    "flatten",
    "grow",
    "import_file",
    "inspect",
]
