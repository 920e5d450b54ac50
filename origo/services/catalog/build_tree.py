"""The recipe's own files in a tree: copied with mode and owner, never through a link and never outside the tree."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from origo.errors import BadInput, reason
from origo.services.catalog.recipe import File
from origo.services.catalog.recipe_read import source_files


@dataclass(frozen=True)
class Entry:
    """One file to be put into a tree."""

    target: str
    mode: int
    owner: str
    data: bytes


def entries(files: tuple[File, ...], folder: Path) -> Iterator[Entry]:
    """Every single file that the recipe's file entries stand for, sources read from its folder."""
    for file in files:
        if file.content is not None:
            yield Entry(file.target, file.mode or 0o644, file.owner, file.content.encode())
            continue
        try:
            for target, path in source_files(file, folder):
                data, executable = _read(path)
                yield Entry(target, file.mode or (0o755 if executable else 0o644), file.owner, data)
        except (ValueError, OSError) as error:
            raise BadInput(f"cannot use the file {file.source} of the recipe: {reason(error)}") from error


def put(tree: Path, target: str, data: bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    """Write a file into a tree. Raises BadInput where a link in the tree would lead out of it."""
    path = tree / target.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(tree.resolve()):
        raise BadInput(f"cannot put {target} into the tree: a link in it leads elsewhere")
    if path.is_symlink() or path.exists():
        path.unlink()
    path.write_bytes(data)
    os.chown(path, *owner)
    path.chmod(mode)


def _read(path: Path) -> tuple[bytes, bool]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(), bool(os.fstat(descriptor).st_mode & 0o100)
