"""Bootable disks out of files: a partition table and a boot loader written into an image; nothing is mounted."""

from pathlib import Path

from origo.errors import NoRoom, Unavailable
from origo.host import Host

START = 1 << 20
"""Where the first partition begins, in bytes; the boot loader lives before it."""
LOADER = "/usr/lib/syslinux/mbr/mbr.bin"
ID = "0x6f726967"


def partitioned(host: Host, raw: Path, size_bytes: int, *, kind: str = "c") -> None:
    """Make a sparse disk with one bootable partition of that kind that fills it."""
    with raw.open("wb") as file:
        file.truncate(size_bytes)
    table = f"label: dos\nlabel-id: {ID}\nstart={START // 512}, type={kind}, bootable\n"
    host.run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(raw)], input=table.encode())


def boot_partition(host: Host, raw: Path, size_bytes: int, files: list[Path]) -> None:
    """Fill the partition with a file system that holds `files`, and make the disk boot by syslinux from it."""
    needed = sum(path.stat().st_size for path in files) + (2 << 20)
    if needed > size_bytes - START:
        raise NoRoom(
            f"cannot build the system: it takes {needed >> 20} MiB and its disk has {(size_bytes - START) >> 20} MiB",
            hint="make `disk` larger in the recipe",
        )
    if not host.exists(LOADER):
        raise Unavailable(f"cannot make a disk bootable: {LOADER} is missing", hint="apt-get install syslinux-common")
    place = f"{raw}@@{START}"
    sectors = (size_bytes - START) // 512
    hidden = str(START // 512)
    host.run(["mformat", "-i", place, "-T", str(sectors), "-h", "64", "-s", "32", "-H", hidden, "-N", ID[2:], "::"])
    host.run(["mcopy", "-i", place, *(str(path) for path in files), "::"])
    host.run(["syslinux", "--install", "--offset", str(START), str(raw)])
    with raw.open("r+b") as disk:
        disk.write(Path(LOADER).read_bytes()[:440])
