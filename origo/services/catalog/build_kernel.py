"""A kernel's modules for a guest without udev: the wanted ones and what they need, in the order of loading."""

import lzma
import re
from collections.abc import Sequence
from pathlib import Path

from origo.errors import NotFound

VIRTUAL = (
    "crc32c_generic",
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "ext4",
    "isofs",
    "virtio_console",
    "virtio_rng",
    "button",
    "evdev",
)
"""What a guest on virtual hardware needs; a kernel that has one built in does without."""
HARDWARE = ("ahci", "ata_piix", "virtio_scsi", "sd_mod", "sr_mod", "e1000", "e1000e")
"""What one needs besides on hardware that another hypervisor shows."""


def kernel_of(tree: Path) -> Path:
    """The kernel in an unpacked package. Raises NotFound."""
    found = sorted(tree.glob("boot/vmlinuz-*"))
    if not found:
        raise NotFound(f"cannot find a kernel in {tree}/boot")
    return found[-1]


def copy_modules(tree: Path, wanted: Sequence[str], target: Path) -> None:
    """Put the modules into the folder `target`, with a file `order` that names them as they are to be loaded."""
    folders = [folder for top in ("lib", "usr/lib") for folder in tree.glob(f"{top}/modules/*/kernel")]
    known = {_name(path.name): path for folder in folders for path in folder.rglob("*.ko*")}
    order: list[str] = []
    contents: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in contents or name not in known:
            return
        contents[name] = data = _unpacked(known[name])
        for needed in _depends(data):
            add(needed)
        order.append(name)

    for name in wanted:
        add(name)
    target.mkdir(parents=True, exist_ok=True)
    for name in order:
        (target / f"{name}.ko").write_bytes(contents[name])
    (target / "order").write_text("".join(f"{name}.ko\n" for name in order))


def _name(file: str) -> str:
    return file.split(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(module: bytes) -> list[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [_name(name) for name in found[1].decode().split(",") if name] if found else []
