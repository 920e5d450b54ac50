"""What others need to see to help: one archive of how engine and machine are, without secrets and bounded in size.

It is made without the daemon, since it is wanted most where that does not run.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from origo import VERSION, client, config
from origo.errors import Conflict, OrigoError
from origo.host import Host
from origo.services.engine.redacting import redacted

MOST = 4 << 20
"""Of each file the end is kept: the newest is what matters."""
SECONDS = 60

COMMANDS: dict[str, tuple[str, ...]] = {
    "system/kernel.txt": ("uname", "-a"),
    "system/debian.txt": ("cat", "/etc/os-release"),
    "system/uptime.txt": ("uptime",),
    "system/memory.txt": ("free", "-m"),
    "system/disks.txt": ("lsblk", "--output", "NAME,TYPE,SIZE,FSTYPE,MOUNTPOINTS,MODEL"),
    "system/room.txt": ("df", "-h", "--exclude-type=tmpfs"),
    "system/packages.txt": ("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\\n"),
    "system/clock.txt": ("timedatectl", "show"),
    "units/origo.txt": (
        *("systemctl", "show", "--no-pager", "origo*", "libvirtd.service", "nginx.service"),
        "--property=Id,LoadState,ActiveState,SubState,Result,StateChangeTimestamp,MainPID,NRestarts,MemoryCurrent,TasksCurrent",
    ),
    "units/failed.txt": ("systemctl", "list-units", "--failed", "--no-pager", "--plain"),
    "units/journal.txt": (
        *("journalctl", "--no-pager", "--output=short-iso", "--lines=20000"),
        *("--unit=origo", "--unit=origo-*", "--unit=libvirtd", "--unit=zfs-*"),
    ),
    "units/kernel.txt": ("journalctl", "--no-pager", "--output=short-iso", "--lines=2000", "--dmesg"),
    "pools/zpools.txt": ("zpool", "status", "-v"),
    "pools/datasets.txt": ("zfs", "list", "-o", "name,used,avail,refer,mountpoint"),
    "network/addresses.txt": ("ip", "address", "show"),
    "network/routes.txt": ("ip", "route", "show", "table", "all"),
    "network/listening.txt": ("ss", "-Hlntu"),
    "network/nftables.txt": ("nft", "list", "ruleset"),
}
"""File in the bundle: what is run for it. No list of processes, also not of a unit: their arguments are anybody's."""
ASKED = {
    "engine/engine.json": "/engine",
    "engine/doctor.json": "/engine/doctor",
    "engine/nodes.json": "/nodes",
    "engine/pools.json": "/pools",
    "engine/networks.json": "/networks",
    "engine/servers.json": "/servers",
    "engine/plugins.json": "/plugins",
    "engine/issues.json": "/issues",
    "engine/operations.json": "/operations",
}
"""File in the bundle: what the engine is asked for it."""


def write(host: Host, home: Path, target: Path) -> list[str]:
    """Write the bundle, readable by its owner alone; answers what is in it. Raises Conflict where there is a file."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"cannot write {target}: it is there already", hint="name another file") from None
    names = []
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in parts(host, home):
            _add(archive, f"{target.name.partition('.')[0]}/{name}", redacted(_end(text)).encode(errors="replace"))
            names.append(name)
    return names


def parts(host: Host, home: Path) -> Iterator[tuple[str, str]]:
    """Everything that goes in, as name and text, its secrets still in it."""
    yield "version.txt", f"origo {VERSION}\n"
    yield "settings.toml", _settings(home)
    for name, path in ASKED.items():
        yield name, _asked(path)
    for name, argv in COMMANDS.items():
        yield name, _run(host, argv)


def _settings(home: Path) -> str:
    try:
        return (home / config.FILE).read_text(errors="replace")
    except OSError as error:
        return f"# {error.strerror}\n"


def _asked(path: str) -> str:
    try:
        here = client.connect()
        found: Any = here.get(path)
    except OrigoError as error:
        found = {"error": error.message}
    return json.dumps(found, indent=1)


def _run(host: Host, argv: tuple[str, ...]) -> str:
    try:
        ended = host.run(argv, check=False, timeout=SECONDS)
    except OrigoError as error:
        return f"{error.message}\n"
    return ended.text + ended.err.decode(errors="replace")


def _end(text: str) -> str:
    """The end of a long text, from the beginning of a line: half a secret would not be known for one."""
    return text if len(text) <= MOST else text[-MOST:].partition("\n")[2]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode, about.mtime = len(data), 0o600, int(time.time())
    archive.addfile(about, io.BytesIO(data))
