"""The small form: a kernel and a busybox in memory on a bootable disk, made in seconds without root's mounts."""

import gzip
import shlex
import shutil
from pathlib import Path

from origo.errors import BadInput
from origo.host import Host, report
from origo.services.catalog import build_kernel, build_tree
from origo.services.catalog.build_disk import boot_partition, partitioned
from origo.services.catalog.build_packages import Archive
from origo.services.catalog.build_work import Work, alone

GUEST = Path(__file__).parent / "guest"
PRUNED = ("doc", "man", "info", "locale", "lintian", "bug", "common-licenses")
"""Folders of /usr/share that nobody reads in a guest without a shell login."""

SCRIPTS = {"init": "/init", "boot": "/etc/origo/boot", "service": "/etc/origo/service", "dhcp": "/etc/origo/dhcp"}
SCRIPTS |= {"network": "/etc/origo/network", "power": "/etc/acpi/PWRF/00000080"}

INITTAB = """\
::sysinit:/etc/origo/boot
::respawn:/etc/origo/dhcp
::respawn:acpid -d
{services}::ctrlaltdel:reboot
::shutdown:/bin/umount -a -r
"""

SYSLINUX = """\
DEFAULT linux
PROMPT 0
LABEL linux
    KERNEL /vmlinuz
    INITRD /initrd.img
    APPEND console=tty0 console=ttyS0 quiet panic=10
"""


def tree(work: Work, role: str) -> Path:
    """The tree of a small guest (for the data disk: its mount point alone), with the kernel's package beside it."""
    tree = work.path / "tree"
    tree.mkdir()
    if role == "system" or work.content.packages:
        with alone(work.cache / "apt"):
            packages, kernels = _fetched(work, role)
        report(0.5, "unpacking")
        _unpack(work.host, packages, tree)
        _unpack(work.host, kernels, work.path / "kernel")
        _prune(tree)
    report(0.7, "adding the recipe's files")
    for entry in build_tree.entries(work.files(role), work.folder):
        build_tree.put(tree, entry.target, entry.data, entry.mode, _numbers(entry.owner))
    if role == "system":
        hardware = build_kernel.HARDWARE if work.base.kernel == "generic" else ()
        build_kernel.copy_modules(work.path / "kernel", build_kernel.VIRTUAL + hardware, tree / "lib/modules")
        _furnish(work, tree)
    elif work.mount:
        (tree / work.mount.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return tree


def disk(work: Work, tree: Path, size_bytes: int) -> Path:
    """A raw bootable disk of that size that holds the tree, to be unpacked into memory."""
    report(0.8, "making the disk")
    archive = work.path / "initrd"
    names = b"\0".join(sorted(str(path.relative_to(tree)).encode() for path in tree.rglob("*")))
    make = ["cpio", "--create", "--format=newc", "--null", "--quiet", "--reproducible"]
    work.host.run([*make, "--directory", str(tree), "-F", str(archive)], input=names)
    memory = work.path / "initrd.img"
    memory.write_bytes(gzip.compress(archive.read_bytes(), compresslevel=6, mtime=0))
    settings = work.path / "syslinux.cfg"
    settings.write_text(SYSLINUX)
    kernel = work.path / "vmlinuz"
    shutil.copyfile(build_kernel.kernel_of(work.path / "kernel"), kernel)
    raw = work.path / "system.raw"
    partitioned(work.host, raw, size_bytes)
    boot_partition(work.host, raw, size_bytes, [kernel, memory, settings])
    return raw


def _fetched(work: Work, role: str) -> tuple[list[str], list[str]]:
    """Files of the packages, and of the kernel's."""
    assert work.base.suite is not None
    archive = Archive(work.host, work.base.suite, str(work.cache), work.log)
    archive.refresh(fresh=work.fresh)
    report(0.1, "finding packages")
    # The system needs resize2fs where a data disk may grow.
    wanted = ["busybox-static", *(["e2fsprogs"] if work.mount else []), *work.content.packages]
    packages = archive.closure(wanted)
    flavour = "cloud-" if work.base.kernel == "cloud" else ""
    names = archive.depends(f"linux-image-{flavour}{archive.architecture}") if role == "system" else []
    kernels = archive.only([name for name in names if name.startswith("linux-image-")]) if names else []
    report(0.2, "fetching packages")
    return archive.fetch(packages), archive.fetch(kernels)


def _furnish(work: Work, tree: Path) -> None:
    """Put what boots the guest and starts its services into the tree."""
    for name, target in SCRIPTS.items():
        build_tree.put(tree, target, (GUEST / f"{name}.sh").read_bytes(), 0o755)
    lines = ""
    for service in work.content.services:
        words = shlex.join(shlex.split(service.command or ""))
        build_tree.put(tree, f"/etc/origo/services/{service.name}", f"{words}\n".encode())
        lines += f"::{'once' if service.once else 'respawn'}:/etc/origo/service {service.name}\n"
    build_tree.put(tree, "/etc/inittab", INITTAB.format(services=lines).encode())
    build_tree.put(tree, "/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    build_tree.put(tree, "/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    if work.mount:
        build_tree.put(tree, "/etc/origo/data-mount", f"{work.mount}\n".encode())


def _unpack(host: Host, packages: list[str], tree: Path) -> None:
    """Unpack packages without running anything of theirs; /bin is a link unless a package has one."""
    tree.mkdir(parents=True, exist_ok=True)
    for package in packages:
        host.run(["dpkg-deb", "--extract", package, str(tree)], timeout=600)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (tree / name).exists():
            (tree / name).symlink_to(f"usr/{name}")


def _prune(tree: Path) -> None:
    for name in PRUNED:
        shutil.rmtree(tree / "usr/share" / name, ignore_errors=True)
    for path in tree.glob("usr/lib/*/gconv"):
        shutil.rmtree(path)


def _numbers(owner: str) -> tuple[int, int]:
    known = {"root": 0, "nobody": 65534, "nogroup": 65534}
    parts = [known.get(part, int(part) if part.isdecimal() else None) for part in owner.split(":")]
    user, group = parts[0], parts[-1]
    if user is None or group is None:
        raise BadInput(f"cannot give a file to {owner}: in the form 'small' there are root, nobody and numbers")
    return user, group
