"""A base that is an image: fetched or taken from the recipe's folder, checked by its SHA-256, examined as hostile."""

import os
import shutil
from pathlib import Path

from origo import disks
from origo.errors import BadImage, BadInput
from origo.host import report
from origo.services.catalog.build_work import Work, alone, scaled
from origo.services.catalog.recipe_fields import show_size

LARGEST_BYTES = 16 << 40
NOBODY = "nobody"
"""Who reads a file that may be hostile."""


def system(work: Work, size_bytes: int, target: Path) -> None:
    """Write the image as a qcow2 disk of that size. Raises BadInput where it is another one than the recipe names."""
    copy = work.path / "image"
    with scaled(0.0, 0.5):
        _bring(work, copy)
    digest = work.host.run(["sha256sum", "--", str(copy)], timeout=3600).text.split()[0]
    if digest != work.base.sha256:
        raise BadInput(
            f"cannot use the image {work.base.image}: its SHA-256 is {digest}, not {work.base.sha256}",
            hint="it changed since the recipe was written; if that is right, write the new SHA-256 into the recipe",
        )
    work.log(f"{work.base.image} is the image that the recipe names")
    copy.chmod(0o644)
    facts = disks.examine(work.host, str(copy), user=NOBODY, room_bytes=LARGEST_BYTES)
    if facts.format == "iso":
        raise BadImage(f"cannot use the image {work.base.image}: it is an installation medium, not a disk")
    if facts.size_bytes > size_bytes:
        raise BadInput(
            f"cannot use the image {work.base.image}: it is larger than the disk of {work.server.name}",
            hint=f"make `disk` at least {show_size(-(-facts.size_bytes >> 20) << 20)} in the recipe",
        )
    with scaled(0.5, 1.0):
        disks.import_file(work.host, str(copy), str(target), facts=facts, user=NOBODY)
    disks.grow(work.host, str(target), "qcow2", size_bytes)


def _bring(work: Work, copy: Path) -> None:
    """Have a copy of our own, so that what was checked is what is used."""
    name = work.base.image or ""
    if "://" not in name:
        report(0.1, f"copying {name}")
        descriptor = os.open(work.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return
    folder = work.cache / "images"
    kept = folder / str(work.base.sha256)
    with alone(folder):
        if not kept.exists():
            work.log(f"fetching {name}")
            part = kept.with_suffix(".part")
            room = work.host.space(str(folder)).free_bytes
            from origo.client import fetching  # its libraries are only for those who download

            fetching.download(name, str(part), sha256=str(work.base.sha256), room_bytes=room)
            part.replace(kept)
        work.host.run(["cp", "--reflink=auto", "--", str(kept), str(copy)], timeout=3600)
