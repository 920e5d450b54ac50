"""A server as libvirt's XML: text from data, nothing else."""

import string
from collections.abc import Iterator

from lxml import etree
from lxml.builder import E, ElementMaker

from origo.contracts import GENERATION, DiskSpec, NicSpec, ServerSpec
from origo.errors import Unsupported

PREFIX = "origo-"
"""What the names of all our domains begin with; the rest is the server's id."""

AGENT = "org.qemu.guest_agent.0"
"""The channel at which a guest's agent listens."""

NAMESPACE = "urn:origo:server:1"
META = ElementMaker(namespace=NAMESPACE, nsmap={"origo": NAMESPACE})

FORMATS = ("qcow2", "raw")
"""What disks may be, the best first; QEMU knows more, but nothing in Origo makes them."""

MAX_CPUS = 255
"""More need an IOMMU in the guest."""

BOOT = {"disk": ("hd",), "cdrom": ("cdrom", "hd"), "network": ("network", "hd")}
SPARE_PORTS = 4
"""PCI ports left free, since a running server can be given disks and cards but no port to plug them into."""


def name(id: str) -> str:
    """libvirt's own name of the server with that id: unlike the server's name it is never another's."""
    return f"{PREFIX}{id}"


def domain(spec: ServerSpec, *, accelerated: bool, machine: str) -> str:
    """The whole definition. `machine` is a versioned type, so that a guest never wakes up in other hardware.

    Raises Unsupported for what cannot be put into one.
    """
    _refuse(spec)
    meta = META.server(id=spec.id, name=spec.name, generation=str(GENERATION))
    root = E.domain(
        E.name(name(spec.id)),
        E.uuid(spec.id),
        E.title(spec.name),
        E.metadata(meta),
        E.memory(str(spec.memory_mb), unit="MiB"),
        E.vcpu(str(spec.cpus)),
        E.os(E.type("hvm", arch="x86_64", machine=machine), *(E.boot(dev=device) for device in BOOT[spec.boot])),
        E.features(E.acpi(), E.apic()),
        _cpu(spec.cpus, accelerated),
        E.clock(
            E.timer(name="rtc", tickpolicy="catchup"),
            E.timer(name="pit", tickpolicy="delay"),
            E.timer(name="hpet", present="no"),
            offset="utc",
        ),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        E.pm(E("suspend-to-mem", enabled="no"), E("suspend-to-disk", enabled="no")),
        E.devices(*_devices(spec)),
        type="kvm" if accelerated else "qemu",
    )
    return str(etree.tostring(root, pretty_print=True, encoding="unicode"))


def adapted(xml: str, *, accelerated: bool) -> str:
    """A definition that libvirt gave, for the accelerator that works now; empty if it is for that already."""
    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    kind = "kvm" if accelerated else "qemu"
    if root.get("type") == kind:
        return ""
    root.set("type", kind)
    root.replace(root.find("cpu"), _cpu(int(root.findtext("vcpu")), accelerated))
    return str(etree.tostring(root, encoding="unicode"))


def _refuse(spec: ServerSpec) -> None:
    """Refuse what libvirt would take and QEMU not, or what would mean something else to it."""
    if spec.boot not in BOOT:
        raise Unsupported(f"cannot boot server {spec.name} from {spec.boot!r}", hint=f"ways: {', '.join(BOOT)}")
    if spec.cpus > MAX_CPUS:
        raise Unsupported(f"cannot give server {spec.name} more than {MAX_CPUS} CPUs")
    for disk in spec.disks:
        for path, format in ((disk.path, disk.format), *disk.backing):
            if format not in FORMATS:
                raise Unsupported(f"cannot start server {spec.name} from {path}: its format is {format!r}")


def _cpu(count: int, accelerated: bool) -> etree._Element:
    # One socket: some guests refuse to use more than two, whatever their number of cores.
    topology = E.topology(sockets="1", cores=str(count), threads="1")
    if accelerated:
        return E.cpu(topology, mode="host-passthrough", check="none", migratable="on")
    return E.cpu(topology, mode="maximum", check="none")


def _devices(spec: ServerSpec) -> list[etree._Element]:
    targets = {"vd": _targets(spec, "vd"), "sd": _targets(spec, "sd")}
    disks = [_disk(disk, next(targets["sd" if disk.removable else "vd"])) for disk in spec.disks]
    return [
        *disks,
        *_ports(spec),
        E.controller(type="usb", model="qemu-xhci"),
        *(_nic(nic, rom=spec.boot == "network") for nic in spec.nics),
        E.serial(E.target(port="0"), type="pty"),
        E.console(E.target(type="serial", port="0"), type="pty"),
        E.channel(E.target(type="virtio", name=AGENT), type="unix"),
        E.input(type="tablet", bus="usb"),
        E.graphics(E.listen(type="address", address="127.0.0.1"), type="vnc", port="-1", autoport="yes"),
        E.video(E.model(type="vga")),
        E.memballoon(E.stats(period="10"), model="virtio", freePageReporting="on"),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
    ]


def _targets(spec: ServerSpec, prefix: str) -> Iterator[str]:
    for letter in string.ascii_lowercase:
        yield prefix + letter
    raise Unsupported(f"cannot give server {spec.name} more than {len(string.ascii_lowercase)} disks of one kind")


def _ports(spec: ServerSpec) -> list[etree._Element]:
    """A port for each PCI device (disks, cards, USB, serial channel, balloon, rng) and the spare ones."""
    used = len(spec.nics) + sum(not disk.removable for disk in spec.disks) + 4
    ports = range(1, used + SPARE_PORTS + 1)
    return [
        E.controller(type="pci", index="0", model="pcie-root"),
        *(E.controller(type="pci", index=str(index), model="pcie-root-port") for index in ports),
    ]


def _disk(disk: DiskSpec, target: str) -> etree._Element:
    driver = {"name": "qemu", "type": disk.format}
    read_only = disk.read_only or disk.removable
    if not read_only:
        driver["discard"] = "unmap"
    element = E.disk(
        E.driver(**driver),
        E.source(file=disk.path),
        _backing(disk.backing),
        E.target(dev=target, bus="sata" if disk.removable else "virtio"),
        type="file",
        device="cdrom" if disk.removable else "disk",
    )
    if read_only:
        element.append(E.readonly())
    if disk.serial:
        element.append(E.serial(disk.serial))
    return element


def _backing(chain: tuple[tuple[str, str], ...]) -> etree._Element:
    """The chain below a disk, closed at its end: libvirt never reads in an image's header what lies below it."""
    if not chain:
        return E.backingStore()
    (path, format), *rest = chain
    return E.backingStore(
        E.format(type=format),
        # Or libvirt would give the master to the user of its guests, who could then write to it.
        E.source(E.seclabel(model="dac", relabel="no"), file=path),
        _backing(tuple(rest)),
        type="file",
    )


def _nic(nic: NicSpec, *, rom: bool) -> etree._Element:
    element = E.interface(
        E.mac(address=nic.mac),
        E.source(bridge=nic.bridge),
        E.target(dev=nic.tap),
        E.model(type="virtio"),
        type="bridge",
    )
    if not rom:
        # The card's boot program costs seconds at each boot, even where nothing is booted from it.
        element.append(E.rom(enabled="no"))
    return element
