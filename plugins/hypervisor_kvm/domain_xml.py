"""A server as libvirt's XML: text from data, nothing else."""

from lxml import etree
from lxml.builder import E, ElementMaker
from origo_plugins.hypervisor_kvm.connection import PREFIX

from origo.contracts import DiskSpec, NicSpec, ServerSpec

NAMESPACE = "urn:origo:server:1"
O = ElementMaker(namespace=NAMESPACE, nsmap={"origo": NAMESPACE})  # noqa: E741


def domain(spec: ServerSpec, *, accelerated: bool, machine: str) -> str:
    """The whole definition. `machine` is a versioned type, so that a guest never wakes up in other hardware."""
    root = E.domain(
        E.name(name(spec.id)),
        E.uuid(spec.id),
        E.title(spec.name),
        E.metadata(O.server(id=spec.id, name=spec.name)),
        E.memory(str(spec.memory_mb), unit="MiB"),
        E.vcpu(str(spec.cpus)),
        E.os(E.type("hvm", arch="x86_64", machine=machine), E.boot(dev=_BOOT[spec.boot])),
        E.features(E.acpi(), E.apic()),
        E.cpu(mode="host-passthrough" if accelerated else "maximum", check="none"),
        E.clock(offset="utc"),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        E.on_crash("destroy"),
        E.devices(*_devices(spec)),
        type="kvm" if accelerated else "qemu",
    )
    return etree.tostring(root, pretty_print=True).decode()


def name(id: str) -> str:
    """libvirt's own name of the server with that id: unlike the server's name it is never another's."""
    return f"{PREFIX}{id}"


def _devices(spec: ServerSpec) -> list[etree._Element]:
    letters = {"vd": iter("abcdefghijklmnopqrstuvwxyz"), "sd": iter("abcdefghijklmnopqrstuvwxyz")}
    found = []
    for disk in spec.disks:
        prefix = "sd" if disk.removable else "vd"
        found.append(_disk(disk, prefix + next(letters[prefix])))
    return [
        *found,
        *(_nic(nic) for nic in spec.nics),
        E.serial(E.target(port="0"), type="pty"),
        E.console(E.target(type="serial", port="0"), type="pty"),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        E.graphics(E.listen(type="address", address="127.0.0.1"), type="vnc", autoport="yes"),
        E.video(E.model(type="vga")),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
        E.memballoon(E.stats(period="10"), model="virtio"),
    ]


def _disk(disk: DiskSpec, target: str) -> etree._Element:
    driver = {"name": "qemu", "type": disk.format}
    if not disk.read_only:
        driver["discard"] = "unmap"
    element = E.disk(
        E.driver(**driver),
        E.source(file=disk.path),
        _backing(disk.backing),
        E.target(dev=target, bus="sata" if disk.removable else "virtio"),
        type="file",
        device="cdrom" if disk.removable else "disk",
    )
    if disk.serial:
        element.append(E.serial(disk.serial))
    if disk.read_only:
        element.append(E.readonly())
    return element


def _backing(chain: tuple[tuple[str, str], ...]) -> etree._Element:
    if not chain:
        return E.backingStore()
    (path, format), *rest = chain
    return E.backingStore(
        E.format(type=format),
        E.source(E.seclabel(model="dac", relabel="no"), file=path),
        _backing(tuple(rest)),
        type="file",
    )


def _nic(nic: NicSpec) -> etree._Element:
    return E.interface(
        E.mac(address=nic.mac),
        E.source(bridge=nic.bridge),
        E.target(dev=nic.tap),
        E.model(type="virtio"),
        type="bridge",
    )


_BOOT = {"disk": "hd", "cdrom": "cdrom", "network": "network"}
