"""Images of our own: made, looked at, joined and grown; each of these may run again after it was cut off."""

import json
from dataclasses import dataclass
from typing import Any

from origo import errors
from origo.disks import qemu_img
from origo.errors import BadImage, Conflict
from origo.host import Host, Result

CHILD_OPTIONS = "extended_l2=on,cluster_size=128k"
"""Scattered small writes take 4 KiB each instead of a whole cluster."""


@dataclass(frozen=True)
class DiskFacts:
    """What an image is. `size_bytes` is what a guest sees, `allocated_bytes` what the file takes."""

    format: str
    """qcow2, raw or (only of examined files) iso."""
    size_bytes: int
    allocated_bytes: int
    backing: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    encrypted: bool = False
    corrupt: bool = False
    snapshots: int = 0
    cluster_bytes: int = 0
    extended_l2: bool = False
    identity: str = ""
    """Of an examined file: which one it was (FileFacts.identity)."""


@dataclass(frozen=True)
class CheckFacts:
    """What is wrong with an image: damaged entries, and clusters that are allocated but not used."""

    corruptions: int
    leaks: int


def create(host: Host, path: str, size_bytes: int, *, format: str = "qcow2") -> None:
    """Make a blank image. One that is there already is left as it is; Conflict if it is another."""
    _create(host, path, ["-f", format], size_bytes, DiskFacts(format, size_bytes, 0))


def create_child(
    host: Host, path: str, backing: str, *, backing_format: str = "qcow2", size_bytes: int | None = None
) -> None:
    """Make an image that shows `backing` until it is written to; as large as that, or `size_bytes`.

    One that is there already is left as it is; Conflict if it is another.
    """
    words = ["-f", "qcow2", "-o", CHILD_OPTIONS, "-b", backing, "-F", backing_format]
    _create(host, path, words, size_bytes, DiskFacts("qcow2", size_bytes or 0, 0, backing, backing_format))


def inspect(host: Host, path: str, *, format: str = "qcow2") -> DiskFacts:
    """Facts of an image of our own, also one in use. The format is never guessed: a guest writes the first bytes."""
    argv = ["qemu-img", "info", "-U", "--output=json", "-f", format, path]
    return facts_from(json.loads(qemu_img.run(host, argv, "read", path)))


def convert(
    host: Host, source: str, source_format: str, target: str, target_format: str, *, backing: str | None = None
) -> None:
    """Write a full copy of an image that nobody writes to, in another format or the same, with progress.

    `backing` is the master that a child is known to have; the file's own header is not believed. A target that is
    finished is left as it is.
    """
    if not qemu_img.begin(host, target):
        return
    chain = _chain(host, source, source_format, backing)
    argv = ["qemu-img", "convert", "-p", "-O", target_format, chain, target]
    qemu_img.run_long(host, argv, "copy", source)
    qemu_img.finish(host, target)


def flatten(host: Host, path: str, *, backing: str | None) -> None:
    """Take all that a child shows of its master into the child itself, so that it needs no master; with progress."""
    facts = inspect(host, path)
    if facts.backing is None:
        return
    _expect(facts, path, backing)
    qemu_img.run_long(host, ["qemu-img", "rebase", "-p", "-f", "qcow2", "-b", "", path], "flatten", path)
    host.run(["sync", path], timeout=3600)


def grow(host: Host, path: str, format: str, size_bytes: int) -> None:
    """Make a disk larger; its server must be stopped. Raises Conflict if it is larger already."""
    size = inspect(host, path, format=format).size_bytes
    if size > size_bytes:
        raise Conflict(
            f"cannot grow image {qemu_img.name(path)} to {errors.size(size_bytes)}: it has {errors.size(size)}"
        )
    if size < size_bytes:
        qemu_img.run(host, ["qemu-img", "resize", "-q", "-f", format, path, str(size_bytes)], "grow", path)
        host.run(["sync", path], timeout=3600)


def check(host: Host, path: str) -> CheckFacts:
    """Look through the inner tables of a qcow2 image that nobody writes to."""
    result = host.run(["qemu-img", "check", "--output=json", "-f", "qcow2", path], timeout=3600, check=False)
    found = check_from(result)
    if found is None:
        raise qemu_img.explained(result.err.decode(errors="replace"), "its tables cannot be read", "check", path)
    return found


def check_from(result: Result) -> CheckFacts | None:
    """What `qemu-img check` found; None if it could not look."""
    try:
        found = json.loads(result.out)
        errors = found["check-errors"]
    except (ValueError, KeyError):
        return None
    if errors or result.code not in (0, 2, 3):
        return None
    return CheckFacts(found.get("corruptions", 0), found.get("leaks", 0))


def facts_from(info: dict[str, Any], *, identity: str = "") -> DiskFacts:
    """Facts from what `qemu-img info --output=json` says."""
    specific = info.get("format-specific", {}).get("data", {})
    return DiskFacts(
        format=info["format"],
        size_bytes=info["virtual-size"],
        allocated_bytes=info.get("actual-size", 0),
        backing=info.get("full-backing-filename", info.get("backing-filename")),
        backing_format=info.get("backing-filename-format"),
        data_file=specific.get("data-file"),
        encrypted=bool(info.get("encrypted", False)),
        corrupt=bool(specific.get("corrupt", False)),
        snapshots=len(info.get("snapshots", [])),
        cluster_bytes=info.get("cluster-size", 0),
        extended_l2=bool(specific.get("extended-l2", False)),
        identity=identity,
    )


def _create(host: Host, path: str, words: list[str], size_bytes: int | None, wanted: DiskFacts) -> None:
    if not qemu_img.begin(host, path):
        there = inspect(host, path, format=wanted.format)
        same = (there.backing, there.backing_format) == (wanted.backing, wanted.backing_format)
        if not same or (size_bytes is not None and there.size_bytes != size_bytes):
            raise Conflict(f"cannot create image {qemu_img.name(path)}: another one is there")
        return
    size = [] if size_bytes is None else [str(size_bytes)]
    qemu_img.run(host, ["qemu-img", "create", "-q", *words, path, *size], "create", path)
    qemu_img.finish(host, path)


def _chain(host: Host, path: str, format: str, backing: str | None) -> str:
    """The image as a name that says where everything is, so that nothing in its header is followed."""
    if format != "qcow2":
        layer: dict[str, Any] = {"driver": format, "file": {"driver": "file", "filename": path}}
        return "json:" + json.dumps(layer)
    facts = inspect(host, path)
    _expect(facts, path, backing)
    layer = {"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": None}
    if backing:
        below: dict[str, Any] = {
            "driver": facts.backing_format or "raw",
            "file": {"driver": "file", "filename": backing},
        }
        if below["driver"] == "qcow2":
            below["backing"] = None
        layer["backing"] = below
    return "json:" + json.dumps(layer)


def _expect(facts: DiskFacts, path: str, backing: str | None) -> None:
    """Refuse an image that refers to anything but the master it was made from."""
    if facts.backing != backing or facts.data_file:
        found = qemu_img.plain(facts.data_file or facts.backing or "no other file")
        wanted = backing or "no other file"
        raise BadImage(
            f"cannot read image {qemu_img.name(path)}: it refers to {found}, but was made to refer to {wanted}",
            hint="somebody has changed it; restore it from a backup",
        )
