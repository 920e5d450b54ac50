"""Which format a file from outside has, by its first bytes and its last ones; nothing in it is followed."""

from dataclasses import dataclass

from origo.errors import BadImage

HEAD_BYTES = 68 << 10
TAIL_BYTES = 512
SECTOR = 512
ISO_DESCRIPTOR = 0x8000
ISO_BLOCK = 2048
ACCEPTED = "Origo takes qcow2, raw disks and ISO images"
CONVERT = f"{ACCEPTED}; convert it with: qemu-img convert -O qcow2 FILE disk.qcow2"
UNPACK = f"unpack it first; {ACCEPTED}"

QCOW2 = b"QFI\xfb"
# Offset, bytes, name, and what to do about it.
REFUSED = (
    (0, b"KDMV", "a VMDK image", CONVERT),
    (0, b"COWD", "a VMDK image", CONVERT),
    (0, b"# Disk DescriptorFile", "a VMDK descriptor, which only names other files", CONVERT),
    (64, b"\x7f\x10\xda\xbe", "a VDI image", CONVERT),
    (0, b"vhdxfile", "a VHDX image", CONVERT),
    (0, b"conectix", "a VHD image", CONVERT),
    (0, b"QED\0", "a QED image", CONVERT),
    (0, b"WithoutFreeSpace", "a Parallels image", CONVERT),
    (0, b"WithouFreSpacExt", "a Parallels image", CONVERT),
    (0, b"Bochs Virtual HD Image", "a Bochs image", CONVERT),
    (0, b"LUKS\xba\xbe", "encrypted", "decrypt it first"),
    (0, b"\x1f\x8b", "compressed (gzip)", UNPACK),
    (0, b"BZh", "compressed (bzip2)", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed (xz)", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed (zstd)", UNPACK),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (257, b"ustar", "a tar archive (an OVA, perhaps)", UNPACK),
)
REFUSED_TAILS = ((b"conectix", "a VHD image"), (b"koly", "a DMG image"))
# What a raw disk starts with: offset and bytes.
DISK_STARTS = (
    (510, b"\x55\xaa"),
    (SECTOR, b"EFI PART"),
    (1080, b"\x53\xef"),
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),
    (SECTOR, b"LABELONE"),
    (4086, b"SWAPSPACE2"),
    (0, b"hsqs"),
)


@dataclass(frozen=True)
class Kind:
    """A format, and how long the file must be at least by what its first bytes say."""

    format: str
    least_bytes: int = 0


def recognise(head: bytes, tail: bytes, size_bytes: int, what: str) -> Kind:
    """The kind of a file; `what` begins the sentence of the BadImage that is raised for any other."""
    if head.startswith(QCOW2):
        return Kind("qcow2")
    for offset, mark, kind, hint in REFUSED:
        if head[offset:].startswith(mark):
            raise BadImage(f"{what}: it is {kind}", hint=hint)
    for mark, kind in REFUSED_TAILS:
        if tail.startswith(mark):
            raise BadImage(f"{what}: it is {kind}", hint=CONVERT)
    if head[ISO_DESCRIPTOR : ISO_DESCRIPTOR + 6] == b"\x01CD001":
        blocks = int.from_bytes(head[ISO_DESCRIPTOR + 80 : ISO_DESCRIPTOR + 84], "little")
        return Kind("iso", blocks * ISO_BLOCK)
    if _is_disk(head):
        if size_bytes % SECTOR:
            raise BadImage(f"{what}: it is cut off: a raw disk is a whole number of {SECTOR}-byte sectors")
        return Kind("raw", _partitioned_bytes(head))
    raise BadImage(f"{what}: it is no disk image", hint=ACCEPTED)


def _is_disk(head: bytes) -> bool:
    """Whether it starts as a disk does: with partitions, a file system, or nothing but zeros."""
    return any(head[offset:].startswith(mark) for offset, mark in DISK_STARTS) or not any(head)


def _partitioned_bytes(head: bytes) -> int:
    """Where the second copy of a GPT ends, which is the end of the disk; 0 if there is no GPT."""
    if head[SECTOR : SECTOR + 8] != b"EFI PART":
        return 0
    return (int.from_bytes(head[SECTOR + 32 : SECTOR + 40], "little") + 1) * SECTOR
