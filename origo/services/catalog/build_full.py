"""The full form: an ordinary Debian with systemd and cloud-init, built in a sandbox and kept by its content."""

import hashlib
import io
import json
import os
import shlex
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from origo.host import report
from origo.services.catalog import build_data, build_sandbox, build_sources, build_tree
from origo.services.catalog.build_disk import START, partitioned
from origo.services.catalog.build_work import Work, alone
from origo.services.catalog.recipe import Service
from origo.services.catalog.seed import DATA_LABEL

BASE = (
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "dbus",
    "e2fsprogs",
    "fdisk",
    "grub-common",
    "grub-pc-bin",
    "init",
    "iproute2",
    "kmod",
    "netbase",
    "systemd-resolved",
    "udev",
    "zstd",
)
"""What every full system has besides Debian's essential packages and a kernel."""
KEPT_SECONDS = 7 * 24 * 3600
"""A kept tree is used for that long, then its packages are fetched anew."""
FRESH_SECONDS = 3600
"""One made within the last hour is new enough for whoever asks for a new one: the same build made it."""
KEPT_TREES = 6

UNIT = """\
[Unit]
Description={name}
Wants=network-online.target
After=network-online.target cloud-init.service cloud-init-network.service

[Service]
Type=exec
EnvironmentFile=-/etc/origo/answers.env
ExecStart=/usr/bin/env -- {command}
{again}
[Install]
WantedBy=multi-user.target
"""


def disk(work: Work, role: str, size_bytes: int) -> Path:
    """The raw disk of that role, made from the tree."""
    tree = _own_tree(work)
    report(0.7, "making the disk")
    folder = work.path / "disk"
    build_sandbox.prepare(folder)
    raw = folder / f"{role}.raw"
    if role == "system":
        partitioned(work.host, raw, size_bytes, kind="83")
        words = ["system.sh", str(START), str((size_bytes - START) // 1024), work.mount or ""]
    else:
        assert work.mount is not None
        raw.touch()
        os.truncate(raw, size_bytes)
        make = build_data.argv(f"{build_sandbox.INSIDE}/tree{work.mount}", f"{build_sandbox.INSIDE}/{raw.name}")
        words = ["data.sh", work.mount, *make]
    os.chown(raw, build_sandbox.ROOT_INSIDE, build_sandbox.ROOT_INSIDE)
    build_sandbox.run(work, folder, ["sh", f"{build_sandbox.INSIDE}/{words[0]}", *words[1:]], source=tree)
    return raw


def unit(service: Service) -> str:
    """The unit file of a service that has a command; `env` finds it, and no character of it means anything more."""
    words = [word.replace("\\", "\\\\").replace('"', '\\"') for word in shlex.split(service.command or "")]
    command = " ".join(f'"{word}"' for word in words).replace("%", "%%").replace("$", "$$")
    again = "" if service.once else "Restart=always\nRestartSec=1\n"
    return UNIT.format(name=service.name, command=command, again=again)


def _own_tree(work: Work) -> Path:
    """The tree with the recipe's own files, commands and services, as a tar file in the cache."""
    with alone(work.cache / "trees"):
        base = _base_tree(work)
        entries = [*build_tree.entries(work.content.files, work.folder), *_system_entries(work)]
        target = _place(work, base.name, *work.content.commands, *(_told(entry) for entry in entries), *_services(work))
        if _usable(work, target) and target.stat().st_mtime > base.stat().st_mtime:
            return target
        report(0.5, "adding the recipe's files, commands and services")
        folder = work.path / "own"
        build_sandbox.prepare(folder)
        build_sandbox.give(folder / "files.tar", _tar(entries))
        build_sandbox.give(folder / "services", "".join(f"{name}\n" for name in _services(work)).encode())
        (folder / "commands").mkdir()
        for number, command in enumerate(work.content.commands):
            build_sandbox.give(folder / f"commands/{number:03}", command.encode())
        begin = "--setup-hook=tar --extract --numeric-owner --exclude='./dev/*' --directory \"$1\" < /mnt/base.tar"
        make = ["mmdebstrap", "--quiet", "--mode=unshare", "--variant=custom", "--format=tar"]
        make += ["--skip=update,setup,cleanup", begin, "--customize-hook=/mnt/own.sh"]
        _make(work, folder, [*make, str(work.base.suite), "-", "/mnt/debian.sources"], target, base=base)
        return target


def _base_tree(work: Work) -> Path:
    """The tree of the suite with all packages, as a tar file in the cache: what takes minutes to make."""
    assert work.base.suite is not None
    flavour = "cloud-" if work.base.kernel == "cloud" else ""
    architecture = work.host.run(["dpkg", "--print-architecture"]).text.strip()
    packages = sorted({*BASE, f"linux-image-{flavour}{architecture}", *work.content.packages})
    target = _place(work, work.base.suite, *packages, (build_sandbox.SCRIPTS / "base.sh").read_text())
    if _usable(work, target):
        return target
    report(0.05, f"building Debian {work.base.suite}")
    folder = work.path / "base"
    build_sandbox.prepare(folder)
    make = ["mmdebstrap", "--mode=unshare", "--variant=minbase", "--format=tar", f"--include={','.join(packages)}"]
    make += ["--customize-hook=/mnt/base.sh"]
    _make(work, folder, [*make, work.base.suite, "-", "/mnt/debian.sources"], target)
    return target


def _make(work: Work, folder: Path, argv: list[str], target: Path, *, base: Path | None = None) -> None:
    """Let mmdebstrap write a tree into the cache, whole or not at all; with `base` it needs no network."""
    sources = build_sources.sources_for(work.host, str(work.base.suite))
    build_sandbox.give(folder / "debian.sources", sources.encode())
    if base:
        build_sandbox.give(folder / "base.tar", b"")
    half = target.with_suffix(".half")
    shown = {base: f"{build_sandbox.INSIDE}/base.tar"} if base else {}
    build_sandbox.run(work, folder, argv, output=half, shown=shown, online=base is None)
    work.host.rename(str(half), str(target))
    _forget(target.parent)


def _place(work: Work, *ingredients: str) -> Path:
    """Where a tree made of that lies in the cache."""
    return work.cache / "trees" / f"{hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()}.tar"


def _usable(work: Work, tree: Path) -> bool:
    limit = FRESH_SECONDS if work.fresh else KEPT_SECONDS
    # One from the future was made before the clock was set right: nobody knows how old it is.
    return tree.exists() and abs(time.time() - tree.stat().st_mtime) < limit


def _forget(folder: Path) -> None:
    """Keep the trees that were made last, and none that a build left unfinished."""
    for half in folder.glob("*.half"):
        half.unlink()
    trees = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for tree in trees[KEPT_TREES:]:
        tree.unlink()


def _system_entries(work: Work) -> Iterator[build_tree.Entry]:
    """What the system is told of its disks and services."""
    lines = "LABEL=origo-system / ext4 defaults 0 1\n"
    if work.mount:
        lines += f"LABEL={DATA_LABEL} {work.mount} ext4 defaults,x-systemd.growfs,nosuid,nodev 0 2\n"
    yield build_tree.Entry("/etc/fstab", 0o644, "0:0", lines.encode())
    for service in work.content.services:
        if service.command:
            path = f"/etc/systemd/system/{service.name}.service"
            yield build_tree.Entry(path, 0o644, "0:0", unit(service).encode())


def _services(work: Work) -> list[str]:
    return [service.name for service in work.content.services]


def _told(entry: build_tree.Entry) -> str:
    return f"{entry.target} {entry.mode:o} {entry.owner} {hashlib.sha256(entry.data).hexdigest()}"


def _tar(entries: Sequence[build_tree.Entry]) -> bytes:
    """The files as a tar archive; owners go by name, which only the tree can turn into numbers."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.target.lstrip("/"))
            info.size, info.mode, info.mtime = len(entry.data), entry.mode, int(time.time())
            user, _, group = entry.owner.partition(":")
            if user.isdecimal():
                info.uid, info.gid = int(user), int(group)
            else:
                info.uname, info.gname = user, group or user
            archive.addfile(info, io.BytesIO(entry.data))
    return target.getvalue()
