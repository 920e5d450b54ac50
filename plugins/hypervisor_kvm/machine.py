"""What a machine needs for this driver: programs, and, where Origo runs libvirt itself, its daemons."""

from collections.abc import Mapping

from origo.contracts import Lack, ServiceSpec
from origo.host import Host

EMULATOR = "qemu-system-x86_64"
PACKAGES = {EMULATOR: "qemu-system-x86"}
DAEMONS = {"libvirtd": "libvirt-daemon-system", "virtlogd": "libvirt-daemon-system"}

QEMU_CONF = """# Written by Origo at each start of its own libvirtd.
# The profiles of AppArmor and SELinux are the machine's, not this world's: loading some would change the machine.
security_driver = "none"
# Groups of processes are the machine's too.
cgroup_controllers = []
"""


def wanted_programs(options: Mapping[str, str]) -> dict[str, str]:
    """The programs that must be there, with the packages that bring them."""
    return PACKAGES | (DAEMONS if options.get("daemon") == "own" else {})


def missing_programs(host: Host, wanted: Mapping[str, str]) -> list[Lack]:
    """Programs that are not there."""
    return [
        Lack(f"cannot find the program {program} on {host.name}", f"install the package {package}")
        for program, package in wanted.items()
        if host.run(["which", program], check=False).code
    ]


def services() -> tuple[ServiceSpec, ...]:
    """libvirt's two daemons, for a world with an /etc/libvirt and a /run of its own (`appliance/private`)."""
    return (
        ServiceSpec("virtlogd", ("virtlogd",), ready="/run/libvirt/virtlogd-sock"),
        ServiceSpec(
            "libvirtd",
            ("libvirtd",),
            files={"/etc/libvirt/qemu.conf": QEMU_CONF},
            ready="/run/libvirt/libvirt-sock",
            children_stay=True,
        ),
    )
