"""A new engine offers only disks that are empty, by names that stay."""

import json
import subprocess
from pathlib import Path
from typing import Any

from origo.services.engine import disks

LINKS = """\
ata-QEMU_HARDDISK_QM1 ../../sda
wwn-0x5000c50015ea71ac ../../sda
wwn-0x5000c50015ea71ad ../../sdb
"""


def disk(path: str, **more: Any) -> dict[str, Any]:
    known = {"type": "disk", "size": 4 << 30, "model": "QEMU ", "ro": False, "fstype": None, "pttype": None}
    return known | {"path": path, "mountpoints": [None]} | more


def offered(*found: dict[str, Any]) -> list[str]:
    return [one["path"] for one in disks.parse(json.dumps({"blockdevices": found}), LINKS)]


def test_an_empty_disk_is_offered_by_the_name_that_says_what_it_is() -> None:
    printed = json.dumps({"blockdevices": [disk("/dev/sda")]})
    path = "/dev/disk/by-id/ata-QEMU_HARDDISK_QM1"
    assert disks.parse(printed, LINKS) == [{"path": path, "device": "/dev/sda", "size_bytes": 4 << 30, "model": "QEMU"}]
    assert offered(disk("/dev/sdb"), disk("/dev/vdc")) == ["/dev/disk/by-id/wwn-0x5000c50015ea71ad", "/dev/vdc"]


def test_links_are_read_as_find_prints_them(tmp_path: Path) -> None:
    (tmp_path / "virtio-a").symlink_to("../../vda")
    words = [str(tmp_path) if word == "/dev/disk/by-id" else word for word in disks.LINKS]
    links = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (found,) = disks.parse(json.dumps({"blockdevices": [disk("/dev/vda")]}), links)
    assert found["path"] == "/dev/disk/by-id/virtio-a"


def test_what_holds_anything_is_not_offered() -> None:
    assert (
        offered(
            disk("/dev/sdc", fstype="ext4"),
            disk("/dev/sdd", pttype="gpt"),
            disk("/dev/sde", children=[disk("/dev/sde1", type="part")]),
            disk("/dev/sdf", mountpoints=["/mnt"]),
            disk("/dev/sdg", ro=True),
            disk("/dev/sdh", size=1 << 20),
            disk("/dev/sr0", type="rom"),
            disk("/dev/zd0"),
            disk("/dev/zram0"),
        )
        == []
    )
