"""Whether each running server is held to its own files, by the profile of AppArmor that libvirt makes for it."""

from collections.abc import Mapping

from origo_plugins.hypervisor_kvm import domain_xml

from origo.contracts import Lack
from origo.errors import NotFound
from origo.host import Host

ENABLED = "/sys/module/apparmor/parameters/enabled"
PROCESSES = "/run/libvirt/qemu"
"""Where libvirt notes the process of each domain that runs."""
OFF = Lack(
    "servers are kept apart by their user and processor alone: AppArmor is off",
    "`apt install apparmor`, leave `apparmor=0` out of the kernel's command line, and restart the machine",
    fatal=False,
)
REMEDY = (
    "`systemctl restart apparmor libvirtd`, then stop and start them; see security_driver in /etc/libvirt/qemu.conf"
)


def lack(host: Host, running: Mapping[str, str]) -> Lack | None:
    """What is missing where a server of `running`, names by id, could reach more than its own; None: nothing."""
    if not _on(host):
        return OFF
    free = [name for id, name in running.items() if not _held(host, id)]
    if not free:
        return None
    verb = "is" if len(free) == 1 else "are"
    return Lack(f"{', '.join(free)} {verb} not held to own files by AppArmor", REMEDY)


def _on(host: Host) -> bool:
    try:
        return host.read(ENABLED).strip() == b"Y"
    except NotFound:
        return False


def _held(host: Host, id: str) -> bool:
    try:
        pid = int(host.read(f"{PROCESSES}/{domain_xml.name(id)}.pid"))
        label = host.read(f"/proc/{pid}/attr/apparmor/current").decode(errors="replace")
    except NotFound:
        # It has ended meanwhile.
        return True
    return label.strip("\0\n ") == f"libvirt-{id} (enforce)"
