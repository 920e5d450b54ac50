"""What Origo costs a whole machine: its boot until the API answers, its memory at rest, the size of its package; and
what a guest of it gets of disk and network."""

import json
import re
import sys
import tempfile
from pathlib import Path

from tests.appliance.machine import Machine
from tests.appliance.room import Room
from tests.appliance.site import PYTHON, Site, installed
from tests.bench._figures import median, show, spread

ROUNDS = 3
MOST_BOOT = 1.15
MOST_MB = 300
MOST_PACKAGE_MB = 60
SETTLE_SECONDS = 60
LEAST_GUEST = 0.9
GUEST = Path(__file__).parent / "guest"
OPEN_DHCP = 'firewall_open = "67/udp"\n'
"""The bare guest asks the machine for its address, which the engine's firewall would not let in."""
MEMORY = """
for pid in $(pgrep -x 'origo|nginx|dnsmasq|libvirtd|virtlogd'); do
    awk -v name="$(cat /proc/$pid/comm)" '/^Pss:/ { print name, $2 * 1024 }' /proc/$pid/smaps_rollup
done
"""
REACHED = "systemctl show -P ActiveEnterTimestampMonotonic"


def main() -> int:
    """Print all figures; 1 if one is out of bounds."""
    with tempfile.TemporaryDirectory(prefix="origo-bench-") as path, Room() as room:
        site = installed(room, Path(path))
        size, most = site.package.stat().st_size / 1e6, MOST_PACKAGE_MB
        good = show("package-size", size, "MB", f"{most} MB", size / most, within=size <= most)
        site.set_up()
        good &= boots(site.machine, room.machine("bare", disks={"a": 1 << 30, "b": 1 << 30}))
        good &= memory(site.machine)
        good &= guest(site)
    return int(not good)


def boots(machine: Machine, bare: Machine) -> bool:
    """From the kernel's first moment until the API answers, beside a machine without Origo until all is started."""
    bare.boot()
    bare.shutdown()
    machine.shutdown()
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(_booted(bare, "multi-user.target"))
        ours.append(_booted(machine, "origo.service"))
    value, control = median(ours), median(theirs)
    against = f"{control:.1f} s without Origo to multi-user.target ({spread(theirs)}); with it {spread(ours)}"
    machine.boot()
    return show("boot-to-api", value, "s", against, value / control, within=value <= MOST_BOOT * control)


def _booted(machine: Machine, unit: str) -> float:
    """Boot it, and take it down again; the seconds from its kernel's start until that unit was active."""
    machine.boot()
    seconds = int(machine.run(f"{REACHED} {unit}")) / 1e6
    machine.shutdown()
    return seconds


def memory(machine: Machine) -> bool:
    """What the engine and all its programs take at rest; pages that several share are divided."""
    machine.run(["sleep", str(SETTLE_SECONDS)], timeout=SETTLE_SECONDS + 60)
    found: dict[str, float] = {}
    for name, size in re.findall(r"(\S+) (\d+)", machine.run(MEMORY)):
        found[name] = found.get(name, 0) + int(size) / 1e6
    total = sum(found.values())
    parts = ", ".join(f"{name} {size:.0f}" for name, size in found.items())
    return show("engine-memory", total, "MB", f"{MOST_MB} MB ({parts})", total / MOST_MB, within=total <= MOST_MB)


def guest(site: Site) -> bool:
    """Disk and network of a guest, beside the same guest on raw files of the same pool and a plain bridge."""
    machine = site.machine
    machine.run("modprobe kvm_amd || true; DEBIAN_FRONTEND=noninteractive apt-get install -y fio iperf3", timeout=300)
    machine.run(["tee", "-a", "/var/lib/origo/origo.toml"], input=OPEN_DHCP)
    machine.run(["systemctl", "restart", "origo"], timeout=120)
    for path in (found for found in GUEST.rglob("*") if found.is_file()):
        machine.put(path, f"/root/guest/{path.relative_to(GUEST)}", mode=path.stat().st_mode & 0o777)
    found = json.loads(machine.run([PYTHON, "/root/guest/inside.py", "/root/guest"], timeout=3600))
    named = {
        "write": ("guest-disk", "writes of 4 KiB/s"),
        "read": ("guest-disk-read", "MB/s"),
        "net": ("guest-net", "Mbit/s"),
    }
    shown = [_share(*named[measure], rounds) for measure, rounds in found.items()]
    return all(shown)


def _share(name: str, unit: str, rounds: dict[str, list[float]]) -> bool:
    """Show how much of what the bare guest gets one of Origo has."""
    value, control = median(rounds["origo"]), median(rounds["bare"])
    against = f"{control:.0f} bare ({spread(rounds['bare'], unit)}); Origo's {spread(rounds['origo'], unit)}"
    return show(name, value, unit, against, value / control, within=value >= LEAST_GUEST * control)


if __name__ == "__main__":
    sys.exit(main())
