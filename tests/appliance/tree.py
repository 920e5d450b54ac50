"""The disk of a Debian 13 machine with its kernel and ZFS module, built once and kept by what it is made of."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from origo.host import LocalHost
from origo.services.catalog import build_sources, build_work

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).resolve().parent / "guest"
CACHE = Path(os.environ.get("ORIGO_CACHE", "/var/cache/origo")) / "appliance"
SUITE = "trixie"
KEPT = 3
KEPT_SECONDS = 2 * 24 * 3600

# Debian as its installer leaves it, then what Origo's package depends on (a test installs it without network).
MACHINE = (
    "apparmor apt-utils ca-certificates dbus init iproute2 kmod less linux-headers-amd64 linux-image-amd64 logrotate"
    " netbase openssh-server procps systemd-sysv systemd-timesyncd udev unattended-upgrades"
)
# The kernel of an update; its flavour keeps it apart from the one that machines boot with at first.
UPDATE = "linux-headers-cloud-amd64 linux-image-cloud-amd64"
ORIGO = (
    "avahi-daemon bash-completion bubblewrap coreutils cpio curl dnsmasq-base dnsmasq-utils e2fsprogs fdisk findutils"
    " iptables kmod libnss-mdns libvirt-clients libvirt-daemon-system libvirt0 mmdebstrap mtools nfs-common"
    " nfs-kernel-server nftables nginx-light openssh-client ovmf python3 qemu-system-x86 qemu-utils rsync syslinux"
    " syslinux-common uidmap util-linux zfs-dkms zfs-zed zfsutils-linux zstd"
)
TRIED_WITH = "fio iperf3 iputils-ping pebble socat strace tcpdump"
PACKAGES = sorted({*MACHINE.split(), *UPDATE.split(), *ORIGO.split(), *TRIED_WITH.split()})

# The initramfs needs what a machine of QEMU has; a small one is unpacked in a second.
SMALL_INITRAMFS = """\
mkdir -p "$1/etc/initramfs-tools/conf.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/machine"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' > "$1/etc/initramfs-tools/modules"
"""
MODULES_THERE = 'for kernel in "$1"/lib/modules/*; do ls "$kernel"/updates/dkms/zfs.ko*; done'
MAKE_TREE = [
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--format=tar",
    "--dpkgopt=force-unsafe-io",
    f"--include={','.join(PACKAGES)}",
    f"--essential-hook={SMALL_INITRAMFS}",
    f"--customize-hook={MODULES_THERE}",
    SUITE,
]
MAKE_DISK = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "machine"]
SIZE = 12 << 30
QEMU = "usr/bin/qemu-system-x86_64"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
FIRMWARE = ("usr/share/qemu", "usr/share/seabios")


@dataclass(frozen=True)
class Image:
    """What a machine boots from, and the QEMU that is the machine; nobody writes to it."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def emulator(self) -> list[str]:
        """The suite's own QEMU, with its libraries and firmware, whatever this machine has."""
        root = self.folder / "qemu"
        loader = [f"{root}/{LIBRARIES}/ld-linux-x86-64.so.2", "--library-path", f"{root}/{LIBRARIES}", f"{root}/{QEMU}"]
        return [*loader, *(word for path in FIRMWARE for word in ("-L", f"{root}/{path}"))]


def image() -> Image:
    """The disk, its kernel and initrd; about ten minutes of building when they are not there yet."""
    if os.geteuid() != 0:
        raise PermissionError("cannot build a machine's disk as an ordinary user; run it as root (sudo)")
    with build_work.alone(CACHE):
        tree = CACHE / f"{_digest(MAKE_TREE)}.tar"
        files = {path.name: path.read_text() for path in sorted(GUEST.iterdir()) if path.is_file()}
        folder = CACHE / _digest([MAKE_TREE, MAKE_DISK, SIZE, QEMU, files])
        if not folder.exists():
            if not tree.exists():
                _build_tree(tree)
            _build_image(tree, folder)
        for used in (tree, folder):
            if used.exists():
                os.utime(used)
        _forget()
    return Image(folder)


def _build_tree(target: Path) -> None:
    """All packages installed, the module built, as a tar file: whole or not at all."""
    began = time.monotonic()
    _say(f"building Debian {SUITE} with {len(PACKAGES)} packages and the ZFS module (about 10 minutes)")
    text = build_sources.sources_for(LocalHost(), SUITE).replace("Components: main", "Components: main contrib")
    with tempfile.TemporaryDirectory(prefix="half-", dir=CACHE) as work:
        sources = Path(work) / "debian.sources"
        sources.write_text(text)
        half = Path(work) / "tree.tar"
        private = [str(ROOT / "appliance" / "private"), "--egress", "--"]
        environment = {**os.environ, "TMPDIR": work}
        argv = [*private, *MAKE_TREE, str(half), str(sources)]
        subprocess.run(argv, check=True, timeout=3600, stdin=subprocess.DEVNULL, env=environment)
        half.rename(target)
    _say(f"the packages are there after {time.monotonic() - began:.0f} s")


def _build_image(tree: Path, target: Path) -> None:
    """The tree, furnished for tests, on a disk with its kernel beside it."""
    began = time.monotonic()
    _say("making the disk")
    with tempfile.TemporaryDirectory(prefix="half-", dir=CACHE) as work:
        root, half = Path(work) / "tree", Path(work) / "image"
        root.mkdir()
        half.mkdir()
        unpack = ["tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--exclude=./dev/*"]
        subprocess.run([*unpack, "--file", tree, "--directory", root], check=True, timeout=900)
        subprocess.run(["sh", GUEST / "furnish.sh", root, GUEST], check=True, timeout=60)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copyfile((root / name).resolve(), half / name)
        _keep_emulator(root, half / "qemu")
        disk = half / "disk.raw"
        disk.touch()
        os.truncate(disk, SIZE)
        subprocess.run([*MAKE_DISK, "-d", root, disk], check=True, timeout=900)
        half.rename(target)
    _say(f"the disk is there after {time.monotonic() - began:.0f} s")


def _keep_emulator(root: Path, target: Path) -> None:
    """QEMU as the tree has it, with all that it loads, at the same paths below `target`."""
    for path in (QEMU, LIBRARIES, *FIRMWARE):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
    libraries = root / LIBRARIES
    listing = [libraries / "ld-linux-x86-64.so.2", "--library-path", libraries, "--list", root / QEMU]
    listed = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=60).stdout
    (target / LIBRARIES).mkdir()
    for found in [libraries / "ld-linux-x86-64.so.2", *map(Path, re.findall(rf"{libraries}/\S+", listed))]:
        shutil.copy(found, target / LIBRARIES)
    shutil.copy(root / QEMU, target / QEMU)
    for path in FIRMWARE:
        shutil.copytree(root / path, target / path, symlinks=True)


def _forget() -> None:
    """Remove what a killed build left, and what nobody used for days beyond the few used last."""
    for half in CACHE.glob("half-*"):
        shutil.rmtree(half)
    for found in (list(CACHE.glob("*.tar")), [path for path in CACHE.iterdir() if (path / "disk.raw").exists()]):
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[KEPT:]:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _digest(ingredients: object) -> str:
    return hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()[:24]


def _say(sentence: str) -> None:
    print(f"machine: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(image().disk)
