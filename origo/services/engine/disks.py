"""The empty disks of this machine, of which a new engine's pool can be made."""

import json
from typing import Any

from origo.operations.core import Core

SMALLEST = 1 << 30
LIST = ("lsblk", "--json", "--bytes", "--paths", "--output", "PATH,TYPE,SIZE,MODEL,RO,FSTYPE,PTTYPE,MOUNTPOINTS")
LINKS = ("find", "/dev/disk/by-id", "-maxdepth", "1", "-type", "l", "-printf", r"%f %l\n")


def empty(core: Core) -> list[dict[str, Any]]:
    """Whole disks with nothing on them: the path that stays, size and model. Whoever makes a pool looks again."""
    answer = core.local.run(LIST, check=False)
    links = core.local.run(LINKS, check=False)
    return parse(answer.text, links.text) if answer.code == 0 else []


def parse(printed: str, links: str) -> list[dict[str, Any]]:
    """The same, from what lsblk and find print."""
    lasting = _lasting(links)
    return [
        {
            "path": lasting.get(disk["path"], disk["path"]),
            "device": disk["path"],
            "size_bytes": int(disk["size"]),
            "model": (disk["model"] or "").strip(),
        }
        for disk in json.loads(printed).get("blockdevices", [])
        if _is_empty(disk)
    ]


def _is_empty(disk: dict[str, Any]) -> bool:
    used = disk["ro"] or disk["fstype"] or disk["pttype"] or disk.get("children") or any(disk["mountpoints"])
    made_by_kernel = disk["path"].startswith(("/dev/zd", "/dev/zram", "/dev/nbd", "/dev/ram"))
    return disk["type"] == "disk" and not used and not made_by_kernel and int(disk["size"]) >= SMALLEST


def _lasting(links: str) -> dict[str, str]:
    """By device, the name that is the same after the next boot; one that says make and model rather than a number."""
    found: dict[str, str] = {}
    for line in sorted(links.splitlines(), reverse=True):
        name, _, target = line.partition(" ")
        device = f"/dev/{target.rpartition('/')[2]}"
        if device not in found or "/wwn-" in found[device] or "/nvme-eui." in found[device]:
            found[device] = f"/dev/disk/by-id/{name}"
    return found
