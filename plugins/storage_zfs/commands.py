"""The commands that make, find, look at and remove a ZFS pool, as lists of arguments; nothing is run here."""

import posixpath
import shlex
from collections.abc import Iterable, Mapping
from functools import partial

from origo_plugins.storage_zfs.options import Wanted

from origo.contracts.folders import AREAS, MARKER, TOP_MODE

Argv = tuple[str, ...]
Offered = Mapping[str, frozenset[str]]
"""Properties that a ZFS knows, with the words they take; none means: a number or anything."""

OWNER = "origo:pool"
UNCACHED = "cachefile=none"
"""In no list of what the machine imports and mounts at a boot by itself, before it was looked at."""
POOL_PROPERTIES = {"ashift": "12"}
GUARDS = {"setuid": "off", "devices": "off", "exec": "off"}
"""What lies in a pool is never run, and opens no device, whoever wrote it there."""
PROPERTIES = {
    "recordsize": "64K",
    "compression": "lz4",
    "xattr": "sa",
    "atime": "off",
    "direct": "disabled",
    **GUARDS,
}
"""What suits disks of guests: blocks near the size they write, no time stamps, no way around the checksums."""

SPARE = "16M"
"""Kept from the dataset: in a ZFS pool that is full to the brim not even a rename or a change of mode works."""

POOL_USAGE: Argv = ("zpool", "get")
USAGE: Argv = ("zfs", "get")
"""Without arguments these print every property with the words that it takes; even a ZFS without pools does."""
VERSION: Argv = ("zfs", "version")
POOLS: Argv = ("zpool", "list", "-H", "-o", "name,guid,health,cachefile")
DATASET = ("name", "canmount", "mountpoint", "sharenfs", "sharesmb")


def left_out(pool_offered: Offered, offered: Offered) -> tuple[str, ...]:
    """Those of our properties that this ZFS does not know, as `name=value`."""
    wanted = ((POOL_PROPERTIES, pool_offered), (PROPERTIES, offered))
    return tuple(
        f"{name}={value}" for ours, theirs in wanted for name, value in ours.items() if not _known(theirs, name, value)
    )


def create_zpool(wanted: Wanted, pool_offered: Offered, offered: Offered) -> Argv:
    """Makes the ZFS pool. Without -f: `zpool` itself refuses what is in use."""
    argv = ["zpool", "create", "-m", "none"]
    for name, value in POOL_PROPERTIES.items():
        argv += ["-o", f"{name}={value}"] if _known(pool_offered, name, value) else []
    for name, value in PROPERTIES.items():
        argv += ["-O", f"{name}={value}"] if _known(offered, name, value) else []
    argv += ["-O", f"refreservation={SPARE}", "-O", "canmount=off", "-O", f"{OWNER}={wanted.owner}", wanted.zpool]
    return (*argv, *(() if wanted.layout == "single" else (wanted.layout,)), *wanted.sources)


def create_dataset(wanted: Wanted) -> Argv:
    """Makes its dataset and mounts it."""
    return ("zfs", "create", "-o", f"mountpoint={wanted.path}", wanted.dataset)


def make_file(file: str) -> Argv:
    """Makes an empty file that nobody but root can read: what guests write is in it."""
    return ("install", "--mode=0600", "/dev/null", file)


def truncate(wanted: Wanted, file: str) -> Argv:
    """Gives a file for the ZFS pool its size, without blocks."""
    return ("truncate", f"--size={wanted.size_bytes}", file)


def reserve(wanted: Wanted, file: str) -> Argv:
    """Takes all its blocks, so that the file system below never runs full under the ZFS pool; data in it stays."""
    return ("fallocate", f"--length={wanted.size_bytes}", file)


def create(wanted: Wanted, pool_offered: Offered, offered: Offered) -> tuple[Argv, ...]:
    """Everything that makes a pool, in order."""
    top = ("mkdir", "--parents", f"--mode={TOP_MODE:04o}", wanted.path)
    marker = ("install", "--mode=0600", "/dev/stdin", f"{wanted.path}/{MARKER}")
    areas = (("mkdir", "--parents", f"--mode={mode:04o}", f"{wanted.path}/{area}") for area, mode in AREAS.items())
    return (
        *(make(file) for file in wanted.files for make in (make_file, partial(truncate, wanted))),
        create_zpool(wanted, pool_offered, offered),
        create_dataset(wanted),
        *(reserve(wanted, file) for file in wanted.files),
        top,
        marker,
        *areas,
    )


def text(commands: Iterable[Argv]) -> str:
    """One command on each line, ready to be pasted."""
    return "".join(f"{shlex.join(argv)}\n" for argv in commands)


def properties(wanted: Wanted) -> Argv:
    """What is known of the ZFS pool and its dataset."""
    names = ",".join((OWNER, "mounted", "mountpoint", "used", "available", "refreservation", *GUARDS))
    return ("zfs", "get", "-H", "-p", "-d", "1", "-o", "name,property,value", names, wanted.zpool)


def status(wanted: Wanted) -> Argv:
    """How well each device is; only ZFS 2.3 and later know it."""
    return ("zpool", "status", "-j", "--json-int", wanted.zpool)


def import_zpool(wanted: Wanted, guid: str, *, take: bool = False, mounting: bool = False) -> Argv:
    """Takes that very ZFS pool in, by no other name. Without -f (`take`) one that another machine did not give back is
    refused; unless it is `mounting`, nothing of it appears anywhere yet."""
    folders = sorted({posixpath.dirname(source) for source in wanted.sources})
    return (
        "zpool",
        "import",
        *(("-f",) if take else ()),
        *(() if mounting else ("-N",)),
        *("-o", UNCACHED),
        *(word for folder in folders for word in ("-d", folder)),
        guid,
        wanted.zpool,
    )


def export(wanted: Wanted) -> Argv:
    """Gives the ZFS pool back."""
    return ("zpool", "export", wanted.zpool)


def cache(wanted: Wanted) -> Argv:
    """Puts it into the list of what the machine imports and mounts at its next boot."""
    return ("zpool", "set", "cachefile=", wanted.zpool)


def datasets(wanted: Wanted) -> Argv:
    """Where each dataset of the ZFS pool would be mounted, and how it would be shared."""
    return ("zfs", "list", "-H", "-r", "-t", "filesystem", "-o", ",".join(DATASET), wanted.zpool)


def guard(wanted: Wanted, name: str) -> Argv:
    """Sets one of the `GUARDS` of the dataset."""
    return ("zfs", "set", f"{name}={GUARDS[name]}", wanted.dataset)


def spare(wanted: Wanted, size: str) -> Argv:
    """Keeps that much of the ZFS pool from the dataset, or (none) gives it back."""
    return ("zfs", "set", f"refreservation={size}", wanted.zpool)


def destroy(wanted: Wanted) -> Argv:
    """Removes the ZFS pool."""
    return ("zpool", "destroy", wanted.zpool)


def signatures(path: str) -> Argv:
    """Tells what a file or device holds, and changes nothing."""
    return ("wipefs", "--no-act", "--json", path)


def label(path: str) -> Argv:
    """Prints the label of a ZFS pool's device."""
    return ("zdb", "-l", path)


def history(path: str) -> Argv:
    """Prints the label of a ZFS pool's device, with when it was written and how often."""
    return ("zdb", "-lu", path)


def wipe(path: str) -> Argv:
    """Takes the signatures of what was ours from a device."""
    return ("wipefs", "--all", path)


def devices(path: str) -> Argv:
    """A device with its partitions, and where they are mounted."""
    return ("lsblk", "--json", "--paths", "--list", "--output", "PATH,TYPE,MOUNTPOINTS", path)


def mount(wanted: Wanted) -> Argv:
    """Mounts the dataset where it says."""
    return ("zfs", "mount", wanted.dataset)


def set_mountpoint(wanted: Wanted) -> Argv:
    """Lets the dataset appear at the pool's path, at once if it is mounted."""
    return ("zfs", "set", f"mountpoint={wanted.path}", wanted.dataset)


def _known(offered: Offered, name: str, value: str) -> bool:
    return name in offered and (not offered[name] or value in offered[name])
