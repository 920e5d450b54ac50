"""What a pool's options ask for: which files or devices, in which layout, under which name of a ZFS pool."""

import posixpath
import re
from dataclasses import dataclass

from origo.contracts import PoolSpec
from origo.errors import BadInput

LAYOUTS = {"single": 1, "mirror": 2, "raidz": 3, "raidz2": 4}
"""How many files or devices each takes at least; `single` takes exactly one."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
RESERVED = re.compile(r"mirror|raidz|draid|spare|log|cache|special|dedup|c[0-9]")
SIZE = re.compile(r"([1-9][0-9]{0,14})([KMGT]?)")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SMALLEST_FILE = 128 << 20


@dataclass(frozen=True)
class Wanted:
    """A ZFS pool as it is to be: `owner` is what its property origo:pool says; files are made and removed by us."""

    zpool: str
    path: str
    owner: str
    layout: str
    devices: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    size_bytes: int = 0

    @property
    def dataset(self) -> str:
        """Its only dataset; the one of the ZFS pool itself is never mounted, since it can be neither renamed nor
        received into."""
        return f"{self.zpool}/pool"

    @property
    def sources(self) -> tuple[str, ...]:
        """The files or devices."""
        return self.files or self.devices


def read(pool: PoolSpec) -> Wanted:
    """The options of a pool. Raises BadInput for those that make no sense."""
    what = f"cannot make pool {pool.name}"
    given = pool.options
    zpool = given.get("zpool") or f"origo-{pool.id}"
    if not NAME.fullmatch(zpool) or RESERVED.match(zpool):
        raise BadInput(f"{what}: {zpool!r} is no name for a ZFS pool", hint="letters, digits and '-', such as tank")
    files, devices = _paths(what, given.get("file", "")), _paths(what, given.get("devices", ""))
    if bool(files) == bool(devices):
        raise BadInput(
            f"{what}: name either files or devices",
            hint='options: file=/srv/pool.zfs size=100G, or devices="/dev/sdb /dev/sdc" layout=mirror',
        )
    number = len(files or devices)
    layout = given.get("layout") or ("single" if number == 1 else "mirror")
    if layout not in LAYOUTS:
        raise BadInput(f"{what}: there is no layout {layout!r}", hint=f"layouts: {', '.join(LAYOUTS)}")
    if number < LAYOUTS[layout] or (layout == "single" and number > 1):
        needed = "exactly one device or file" if layout == "single" else f"at least {LAYOUTS[layout]} devices or files"
        raise BadInput(f"{what}: layout {layout} takes {needed}, not {number}", hint=f"layouts: {', '.join(LAYOUTS)}")
    size = _size(what, given.get("size", "")) if files else 0
    return Wanted(zpool, pool.path, str(pool.id), layout, devices, files, size)


def _paths(what: str, text: str) -> tuple[str, ...]:
    paths = tuple(text.split())
    for path in paths:
        if not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path or path == "/":
            raise BadInput(f"{what}: {path!r} is no absolute, plain path")
        if not path.isprintable():
            raise BadInput(f"{what}: {path!r} has characters that cannot be printed")
    if len(set(paths)) < len(paths):
        raise BadInput(f"{what}: one of {' '.join(paths)} is named twice")
    return paths


def _size(what: str, text: str) -> int:
    match = SIZE.fullmatch(text)
    if not match:
        raise BadInput(f"{what}: the size {text!r} of its file is no size", hint="such as 100G, 500M or bytes")
    size = int(match[1]) * UNITS[match[2]]
    if not SMALLEST_FILE <= size < 1 << 60:
        raise BadInput(f"{what}: its file would be too small or too large with {text}", hint="at least 128M")
    return size
