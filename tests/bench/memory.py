"""What an engine that has a thousand servers and nothing to do takes of the machine's memory."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import libvirt

from tests.bench import _bare, _engine, _many
from tests.bench._engine import Engine
from tests.bench._figures import show

SERVERS = 1_000
SETTLE_SECONDS = 10
MOST_MB = 150
PROGRAMS = ("libvirtd", "virtlogd", "nginx", "dnsmasq")
DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
<devices><disk type='file'><source file='/{name}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""


def main() -> int:
    """Print the daemon's memory, and that of all programs of the engine; 1 if the daemon takes too much."""
    with _engine.folder("memory") as base, contextlib.ExitStack() as stack:
        with _engine.engine(base / "empty", shutdown_seconds="1") as empty:
            _use(empty)
            control, programs = daemon(empty), everything(empty)
        _many.fill(base / "home", SERVERS, 1, hypervisor="hypervisor_kvm", running=False)
        engine = stack.enter_context(_engine.engine(base / "home", shutdown_seconds="1"))
        engine.start()
        engine.wait_settled()
        _define(SERVERS)
        _use(engine)
        value = daemon(engine)
        good = show(
            "memory", value, "MB", f"{control:.0f} MB with one server", value / control, within=value <= MOST_MB
        )
        found = everything(engine)
        parts = ", ".join(f"{name} {size:.0f}" for name, size in found.items())
        total, few = sum(found.values()), sum(programs.values())
        show("memory-engine", total, "MB", f"{few:.0f} MB with one server ({parts})", total / few)
    return int(not good)


def _use(engine: Engine) -> None:
    """Let it start every program that it has, be asked for this and that, and come to rest."""
    if engine.process is None:
        engine.start()
        engine.wait_settled()
    engine.do("POST", "/servers", {"name": "one", "memory_mb": 64, "disks": [{"size_bytes": 1 << 20}]})
    for path in ("/servers?limit=500", "/servers?q=server", "/networks", "/nodes", "/pools", "/operations", "/engine"):
        engine.ask("GET", path)
    time.sleep(SETTLE_SECONDS)


def _define(count: int) -> None:
    """Let libvirt know that many domains too."""
    connection = libvirt.open(_bare.URI)
    for number in range(count):
        connection.defineXML(DOMAIN.format(name=f"idle{number}"))
    connection.close()


def daemon(engine: Engine) -> float:
    """The resident memory of the daemon, shared pages and all, in MB."""
    return _kilobytes(engine.pid, "status", "VmRSS") / 1000


def everything(engine: Engine) -> dict[str, float]:
    """The memory in MB of each program of the engine, shared pages divided among their users; guests do not count."""
    found = {"origo": _kilobytes(engine.pid, "smaps_rollup", "Pss") / 1000}
    for name in PROGRAMS:
        ended = subprocess.run(["pgrep", "-x", name], capture_output=True, text=True, check=False)
        found[name] = sum(_kilobytes(int(pid), "smaps_rollup", "Pss") for pid in ended.stdout.split()) / 1000
    return found


def _kilobytes(pid: int, file: str, name: str) -> float:
    """In units of 1,000 bytes."""
    text = Path(f"/proc/{pid}/{file}").read_text()
    return int(text.partition(f"\n{name}:")[2].split()[0]) * 1.024


if __name__ == "__main__":
    sys.exit(main())
