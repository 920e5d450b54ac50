"""From a recipe to finished disk images: which masters it needs, and how one of them is built."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from origo import disks
from origo.host import Host, report
from origo.services.catalog import build_data, build_full, build_image, build_small, build_tools, build_tree
from origo.services.catalog.build_work import Part, Work, check, part, scaled
from origo.services.catalog.descriptor import MasterFile
from origo.services.catalog.recipe import Recipe

GENERATION = 1
"""Raised whenever the same recipe would be built into something else."""
ROLES: tuple[Literal["system"], Literal["data"]] = ("system", "data")
HERE = Path(__file__).parent
HALF = ".half"
"""What a file is called until it is whole."""


@dataclass(frozen=True)
class Master:
    """One disk image to be built; `members` are the servers of the recipe that are cloned from it."""

    role: Literal["system", "data"]
    members: tuple[str, ...]
    digest: str
    size_bytes: int


def digest(recipe: Recipe, folder: str | Path) -> str:
    """The name of everything that the recipe says, every file that it uses and how it is built.

    Debian's package versions do not count: the same recipe built on another day has the same digest.
    """
    icon = recipe.icon and hashlib.sha256(Path(folder, recipe.icon).read_bytes()).hexdigest()
    systems = [master.digest for master in masters(recipe, folder)]
    return _hash({"recipe": asdict(recipe), "icon": icon, "masters": systems})


def masters(recipe: Recipe, folder: str | Path) -> tuple[Master, ...]:
    """The images that the recipe needs; servers whose disks have the same content share one."""
    found: dict[str, Master] = {}
    for server in recipe.servers:
        found_part = part(recipe, server.name, folder)
        for role in ROLES[: 2 if server.data else 1]:
            size = server.data.size_bytes if role == "data" and server.data else server.disk_bytes
            key = _hash({"role": role, "size": size, **_ingredients(found_part, role)})
            before = found.get(key)
            found[key] = Master(role, (*(before.members if before else ()), server.name), key, size)
    return tuple(found.values())


def build_master(
    host: Host,
    recipe: Recipe,
    folder: str | Path,
    master: Master,
    *,
    work_folder: str,
    target_path: str,
    cache_folder: str,
    log: Callable[[str], None],
    fresh: bool = False,
) -> None:
    """Build one master: afterwards a qcow2 file without any backing file is at `target_path`, whole or not at all.

    May be called again after being ended at any point; `work_folder` belongs to it alone. `cache_folder` keeps
    packages and trees for later builds; with `fresh` today's packages are used instead of a kept tree.
    Raises what the recipe's own commands or a missing package cause, and Cancelled.
    """
    discard(work_folder, target_path)
    if host.exists(target_path):
        return
    build_tools.require(host, _tools(recipe))
    host.make_folder(work_folder, mode=0o700)
    one = part(recipe, master.members[0], folder)
    work = Work(recipe, one.server, one.folder, host, Path(work_folder), Path(cache_folder), log, fresh)
    half = target_path + HALF
    if recipe.base.image and master.role == "system":
        build_image.system(work, master.size_bytes, Path(half))
    else:
        with scaled(0.0, 0.9):
            raw = _raw(work, master)
        check()
        with scaled(0.9, 1.0):
            disks.convert(host, str(raw), "raw", half, "qcow2")
    host.rename(half, target_path)
    discard(work_folder)
    report(1.0, "built")


def master_file(host: Host, master: Master, path: str) -> MasterFile:
    """What the descriptor says of a master whose file is at `path`."""
    sha256 = host.run(["sha256sum", "--", path], timeout=3600).text.lstrip("\\").split()[0]
    size = host.stat(path).size_bytes
    return MasterFile(master.role, master.members, master.digest, sha256, size, master.size_bytes)


def discard(work_folder: str, target_path: str = "") -> None:
    """Remove what an unfinished build left behind; with `target_path`, its half-written file too."""
    shutil.rmtree(work_folder, ignore_errors=True)
    if target_path:
        Path(target_path + HALF).unlink(missing_ok=True)


def _tools(recipe: Recipe) -> tuple[str, ...]:
    if recipe.base.image:
        return build_tools.IMAGE
    return build_tools.FULL if recipe.base.form == "full" else build_tools.SMALL


def _raw(work: Work, master: Master) -> Path:
    if work.base.image:
        (work.path / "empty").mkdir()
        raw = work.path / "data.raw"
        build_data.disk(work.host, work.path / "empty", master.size_bytes, raw)
        return raw
    if work.base.form == "full":
        return build_full.disk(work, master.role, master.size_bytes)
    tree = build_small.tree(work, master.role)
    if master.role == "system":
        return build_small.disk(work, tree, master.size_bytes)
    assert work.mount is not None
    raw = work.path / "data.raw"
    build_data.disk(work.host, tree / work.mount.lstrip("/"), master.size_bytes, raw)
    return raw


def _ingredients(one: Part, role: str) -> dict[str, Any]:
    """All that decides what is on a disk, and nothing else."""
    if one.base.image:
        return {"sha256": one.base.sha256} if role == "system" else {}
    small = one.base.form == "small"
    if role == "data" and small and not one.content.packages:
        return {"form": "small", "files": _files(one, "data")}
    return {
        "generation": GENERATION,
        "guest": [_digest(path) for path in _programs(HERE / ("guest" if small else "full"))],
        "base": asdict(one.base),
        "content": asdict(replace(one.content, files=())),
        "mount": one.mount,
        "files": _files(one, "system") + _files(one, "data"),
    }


def _programs(folder: Path) -> list[Path]:
    """The files in that folder, in order; Python puts a folder of its own beside them."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def _files(one: Part, role: str) -> list[tuple[str, int, str, str]]:
    found = build_tree.entries(one.files(role), one.folder)
    return [(entry.target, entry.mode, entry.owner, hashlib.sha256(entry.data).hexdigest()) for entry in found]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
