"""What zfs, zpool, wipefs and lsblk print, as plain data; what cannot be understood is Unavailable, never a guess."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from origo_plugins.storage_zfs.commands import DATASET

from origo.errors import Unavailable

PROPERTY = re.compile(r"^\s+([a-z_]+)\s+(?:YES|NO)\s+(?:(?:YES|NO)\s+)?(\S.*)$")
HEALTH = {"ONLINE": "ok", "DEGRADED": "degraded"}
"""Every other state of a ZFS pool is `failed`."""


@dataclass(frozen=True)
class Signature:
    """What a file or device holds: type is like ext4, gpt or zfs_member; the label of the last is its pool's name."""

    type: str
    label: str
    uuid: str


@dataclass(frozen=True, order=True)
class Written:
    """How often a ZFS pool was written, when last (seconds since 1970), and by which machine."""

    times: int
    when: int
    host: str


@dataclass(frozen=True)
class Dataset:
    """A dataset, where it would be mounted (empty: nowhere), and whether it would be shared then."""

    name: str
    mountpoint: str
    shared: bool


@dataclass(frozen=True)
class Device:
    """A disk or partition, and where it is mounted."""

    path: str
    mounts: tuple[str, ...]


def offered(printed: bytes) -> Mapping[str, frozenset[str]]:
    """Properties and the words they take, from the usage text of `zfs get` or `zpool get`."""
    found = {}
    for line in printed.decode(errors="replace").splitlines():
        match = PROPERTY.match(line)
        if match:
            words = [word.strip() for word in match[2].split("|")]
            found[match[1]] = frozenset(words) if len(words) > 1 else frozenset()
    return found


def version(printed: bytes) -> str:
    """The number from `zfs version`, such as 2.3.9; empty for a ZFS so old that it has no such command."""
    match = re.match(r"zfs-([0-9][0-9A-Za-z.]*)", printed.decode(errors="replace"))
    return match[1] if match else ""


def pools(printed: bytes) -> Mapping[str, tuple[str, str, bool]]:
    """By name the id and the health of each ZFS pool, and whether the machine imports it by itself."""
    rows = [line.split("\t") for line in printed.decode(errors="replace").split("\n") if line.count("\t") == 3]
    return {name: (guid, health, cache == "-") for name, guid, health, cache in rows}


def datasets(printed: bytes) -> tuple[Dataset, ...]:
    """From `zfs list`, all of a ZFS pool; a mountpoint may be any text that begins with a slash."""
    rows = [line.split("\t") for line in printed.decode(errors="replace").removesuffix("\n").split("\n")]
    if any(len(row) != len(DATASET) for row in rows):
        raise Unavailable("cannot tell what is in a ZFS pool: zfs printed something else")
    return tuple(
        Dataset(name, "" if can == "off" or place in ("none", "legacy") else place, (nfs, smb) != ("off", "off"))
        for name, can, place, nfs, smb in rows
    )


def properties(printed: bytes) -> Mapping[str, Mapping[str, str]]:
    """Properties by dataset."""
    found: dict[str, dict[str, str]] = {}
    for line in printed.decode(errors="replace").split("\n"):
        if line.count("\t") == 2:
            name, key, value = line.split("\t")
            found.setdefault(name, {})[key] = value
    return found


def number(values: Mapping[str, str], key: str) -> int:
    """A size among those properties."""
    value = values.get(key, "")
    if not (value.isascii() and value.isdigit()):
        raise Unavailable(f"cannot tell a pool's room: zfs says that {key} is {value!r}")
    return int(value)


def signatures(printed: bytes) -> tuple[Signature, ...]:
    """From `wipefs --json`, each kind once."""
    found = {
        Signature(_text(entry, "type"), _text(entry, "label"), _text(entry, "uuid"))
        for entry in _entries("wipefs", printed, "signatures")
    }
    return tuple(sorted(found, key=lambda one: (one.type, one.label, one.uuid)))


def label_state(printed: bytes) -> int:
    """The state of a ZFS pool that a device's label tells, from `zdb -l`; all labels of a device say the same."""
    states = {int(state) for state in re.findall(rb"^    state: ([0-9]{1,9})$", printed, re.MULTILINE)}
    if len(states) != 1:
        raise Unavailable("cannot tell whether a ZFS pool was destroyed: zdb printed something else")
    return states.pop()


def written(printed: bytes) -> Written:
    """From `zdb -lu`, the newest that any of the labels tells."""
    text = printed.decode(errors="replace")
    blocks = re.findall(r"txg = ([0-9]{1,18})\n(?:\s+(?!txg)\w+ = .*\n)*?\s+timestamp = ([0-9]{1,12}) ", text)
    hosts = re.findall(r"^    hostname: '([^'\n]{0,255})'$", text, re.MULTILINE)
    if not blocks:
        raise Unavailable("cannot tell when a ZFS pool was used last: zdb printed something else")
    times, when = max((int(times), int(when)) for times, when in blocks)
    return Written(times, when, hosts[0] if hosts else "")


def devices(printed: bytes) -> tuple[Device, ...]:
    """From `lsblk --json`, the disk before its partitions."""
    found = []
    for entry in _entries("lsblk", printed, "blockdevices"):
        mounts = entry.get("mountpoints")
        names = tuple(mount for mount in mounts if isinstance(mount, str)) if isinstance(mounts, list) else ()
        if _text(entry, "path"):
            found.append(Device(_text(entry, "path"), names))
    return tuple(found)


def health(zpool: str, state: str) -> tuple[str, str]:
    """Health and sentence from a ZFS pool's state alone, which is all that an old ZFS tells."""
    known = HEALTH.get(state, "failed")
    return known, "" if known == "ok" else f"the ZFS pool {zpool} is {state}: `zpool status {zpool}` says more"


def status(printed: bytes, zpool: str) -> tuple[str, str]:
    """Health and sentence from `zpool status -j --json-int`: devices that failed or err, files that are damaged."""
    try:
        pool = json.loads(printed)["pools"][zpool]
        state, troubles = str(pool["state"]), list(_troubles(pool.get("vdevs") or {}))
        damaged = int(pool.get("error_count") or 0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Unavailable(f"cannot tell how well the ZFS pool {zpool} is: zpool printed something else") from error
    known, sentence = health(zpool, state)
    if damaged:
        troubles.append(f"{damaged} places in its files are damaged")
    if not troubles:
        return known, sentence
    return "degraded" if known == "ok" else known, f"the ZFS pool {zpool} is {state}: {', '.join(troubles)}"


def _troubles(vdevs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the devices below, those that are made of others left out."""
    for name, vdev in vdevs.items():
        below = vdev.get("vdevs")
        if below:
            yield from _troubles(below)
            continue
        path, state = str(vdev.get("path") or name), str(vdev.get("state", ""))
        errors = sum(int(vdev.get(kind) or 0) for kind in ("read_errors", "write_errors", "checksum_errors"))
        if state not in ("ONLINE", "AVAIL", "INUSE"):
            yield f"{path} is {state}"
        elif errors:
            yield f"{path} had {errors} errors"


def _entries(command: str, printed: bytes, key: str) -> tuple[Mapping[str, Any], ...]:
    """The list under that key; a program that found nothing may print nothing."""
    if not printed.strip():
        return ()
    try:
        entries = json.loads(printed)[key]
        if all(isinstance(entry, dict) for entry in entries):
            return tuple(entries)
    except (ValueError, LookupError, TypeError, RecursionError):
        entries = None
    raise Unavailable(f"cannot tell what a device holds: {command} printed something else")


def _text(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "")
