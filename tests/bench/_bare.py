"""The control of what Origo does with real servers: the same domains, by `qemu-img create -b` and libvirt alone."""

import contextlib
import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import libvirt

BRIDGE = "bare0"
GATEWAY = "10.200.0.1"
URI = "qemu:///system"


@dataclass(frozen=True)
class Pattern:
    """A server of the engine as libvirt knows it."""

    xml: str

    def domain(self, name: str, folder: Path) -> tuple[str, list[tuple[Path, str]], list[tuple[Path, Path]]]:
        """The same under another name: its XML, its children with their masters, and its other files with theirs."""
        root = ElementTree.fromstring(self.xml)
        _only(root, "name").text = name
        root.remove(_only(root, "uuid"))
        children, files = [], []
        for number, disk in enumerate(root.iterfind("devices/disk")):
            source, backing = _only(disk, "source"), disk.find("backingStore/source")
            old, path = Path(source.attrib["file"]), folder / f"{name}-{number}"
            source.set("file", str(path))
            if backing is None:
                files.append((path, old))
            else:
                children.append((path, backing.attrib["file"]))
        for card in root.iterfind("devices/interface"):
            _only(card, "source").set("bridge", BRIDGE)
            _only(card, "mac").set("address", "52:54:00:" + zlib.crc32(name.encode()).to_bytes(4).hex(":")[3:])
            card.remove(_only(card, "target"))
        return ElementTree.tostring(root, encoding="unicode"), children, files


class Bare:
    """Servers beside the engine's, on a bridge of their own, with their files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o711)
        self.libvirt = libvirt.open(URI)

    def pattern(self, server: str) -> Pattern:
        """What the engine has made of the server with that id."""
        found = self.libvirt.lookupByUUIDString(server)
        return Pattern(found.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    def prepare(self, pattern: Pattern, name: str) -> None:
        """Put what is not made of a master there; not part of what is measured."""
        for path, old in pattern.domain(name, self.folder)[2]:
            shutil.copyfile(old, path)

    def start(self, pattern: Pattern, name: str) -> float:
        """Make the children, define and start; the seconds that took. Called by many threads at once."""
        xml, children, _ = pattern.domain(name, self.folder)
        began = time.monotonic()
        for path, backing in children:
            create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", str(path)]
            subprocess.run(create, check=True, timeout=60)
        self.libvirt.defineXML(xml).create()
        return time.monotonic() - began

    def remove(self, pattern: Pattern, name: str) -> None:
        """Leave nothing of it but what was prepared."""
        with contextlib.suppress(libvirt.libvirtError):
            domain = self.libvirt.lookupByName(name)
            domain.destroy()
            domain.undefine()
        for path, _ in pattern.domain(name, self.folder)[1]:
            path.unlink(missing_ok=True)

    def running(self, names: list[str]) -> int:
        """How many of them run."""
        return sum(bool(self.libvirt.lookupByName(name).isActive()) for name in names)


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Bare]:
    """What is needed to start servers without Origo, in this world; gone with it."""
    for words in (("link", "add", BRIDGE, "type", "bridge"), ("address", "add", f"{GATEWAY}/24", "dev", BRIDGE)):
        subprocess.run(["ip", *words], check=True)
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    made = Bare(folder)
    try:
        yield made
    finally:
        made.libvirt.close()


def _only(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    assert found is not None, path
    return found
