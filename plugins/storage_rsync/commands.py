"""What the driver runs, and what it would do in words of commands, as lists of arguments."""

import shlex

from origo.contracts import PoolSpec
from origo.contracts.folders import AREAS, MARKER, TOP_MODE

Argv = tuple[str, ...]

NEEDED = ("find", "findmnt", "sync")


def file_system(path: str) -> Argv:
    """Tells which file system a path lies on, and where that is mounted."""
    return ("findmnt", "--json", "--target", path, "--output", "TARGET,UUID,FSTYPE")


def create(pool: PoolSpec) -> tuple[Argv, ...]:
    """What makes the pool: its folder, the marker, the areas."""
    areas = (("mkdir", "--parents", f"--mode={mode:04o}", f"{pool.path}/{area}") for area, mode in AREAS.items())
    top = ("mkdir", "--parents", f"--mode={TOP_MODE:04o}", pool.path)
    marker = ("install", "--mode=0600", "/dev/stdin", f"{pool.path}/{MARKER}")
    return (top, marker, *areas)


def text(commands: tuple[Argv, ...]) -> str:
    """One command on each line, ready to be pasted."""
    return "".join(f"{shlex.join(argv)}\n" for argv in commands)
