"""The programs that a build needs on the machine, looked for before anything is begun."""

from collections.abc import Sequence

from origo.errors import Unavailable
from origo.host import Host

PACKAGES = {
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "sfdisk": "fdisk",
    "syslinux": "syslinux",
}
"""Which Debian package brings a program."""
SMALL = ("cpio", "dpkg-deb", "mcopy", "mformat", "mke2fs", "sfdisk", "syslinux")
FULL = ("mke2fs", "mmdebstrap", "sfdisk")
IMAGE = ("mke2fs",)
FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin")


def require(host: Host, programs: Sequence[str]) -> None:
    """Raise Unavailable with the packages to install where one of the programs is missing."""
    missing = [name for name in programs if not any(host.exists(f"{folder}/{name}") for folder in FOLDERS)]
    if missing:
        packages = sorted({PACKAGES[name] for name in missing})
        raise Unavailable(
            f"cannot build on {host.name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            hint=f"apt-get install {' '.join(packages)}",
        )
