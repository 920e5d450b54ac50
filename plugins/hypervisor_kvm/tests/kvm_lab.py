"""A libvirt daemon of the tests' own, as the engine runs it, and virsh as the machine's owner would use it."""

import contextlib
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from origo_plugins.hypervisor_kvm.driver import KvmHypervisor

from origo import disks
from origo.contracts import DiskSpec, Hypervisor
from origo.host import LocalHost
from origo.supervise import Supervisor
from origo.testing import tiny_guest
from origo.testing.consoles_suite import read_until

STRANGER = """
<domain type='qemu'><name>{name}</name><uuid>{id}</uuid><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>
"""
DISK_BYTES = 64 << 20


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that the user of guests may pass through; pytest's own are closed again by each run of pytest."""
    with tempfile.TemporaryDirectory(prefix="origo-kvm-") as path:
        Path(path).chmod(0o711)
        yield Path(path)
        for trial in [thread for thread in threading.enumerate() if thread.name == "accelerator"]:
            trial.join()


class Lab:
    """One daemon, started and revived as the engine does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.troubles: list[tuple[str, str]] = []
        self.supervisor = Supervisor(str(folder / "services"), lambda *told: self.troubles.append(told))
        self.options = {"state": str(folder / "state"), "daemon": "own"}
        driver = self.driver()
        for service in driver.services():
            self.supervisor.ensure(service)
        driver.close()

    def driver(self, **options: str) -> KvmHypervisor:
        """One more driver for this daemon."""
        return KvmHypervisor(LocalHost(), self.options | options)

    def close(self) -> None:
        """End the daemon."""
        self.supervisor.stop_all()


@contextlib.contextmanager
def opened() -> Iterator[Lab]:
    """A lab in a folder of its own, closed at the end."""
    with folder() as path:
        lab = Lab(path)
        yield lab
        lab.close()


def disk_maker(folder: Path) -> Iterator[Callable[[str], DiskSpec]]:
    """Makes disks of the guest that echoes; qcow2 ones are children of one sealed master."""
    made: list[Path] = []

    def disk(format: str) -> DiskSpec:
        path = folder / f"{uuid.uuid4()}.{format}"
        made.append(path)
        if format == "raw":
            tiny_guest.write(path)
            return DiskSpec(str(path), "raw")
        master = seal_master(folder)
        disks.create_child(LocalHost(), str(path), str(master), size_bytes=DISK_BYTES)
        return DiskSpec(str(path), "qcow2", backing=((str(master), "qcow2"),))

    yield disk
    for path in made:
        path.unlink(missing_ok=True)


def seal_master(folder: Path) -> Path:
    """The master of the guest that echoes, owned by root and read-only as masters are."""
    master = folder / "master.qcow2"
    if not master.exists():
        raw = tiny_guest.write(folder / "master.raw")
        disks.convert(LocalHost(), str(raw), "raw", str(master), "qcow2")
        raw.unlink()
        master.chmod(0o444)
    return master


def virsh(*words: str) -> str:
    """What virsh says."""
    return subprocess.run(["virsh", "-q", *words], capture_output=True, text=True, check=True, timeout=60).stdout


def strange_server(folder: Path, name: str = "stranger", *uri: str) -> Iterator[str]:
    """A running domain that is not ours; whatever the test does, it runs still afterwards."""
    id = str(uuid.uuid4())
    file = folder / "stranger.xml"
    file.write_text(STRANGER.format(id=id, name=name.format(id=id)))
    virsh(*uri, "define", str(file))
    virsh(*uri, "start", id)
    yield id
    assert virsh(*uri, "domstate", id).strip() == "running"
    virsh(*uri, "destroy", id)
    virsh(*uri, "undefine", id)


def answers_on_its_line(driver: Hypervisor, id: str) -> None:
    """Wait until the guest echoes, which is when it also sees the power button."""
    assert isinstance(driver, KvmHypervisor)
    line = driver.serial(id)
    line.send(b"?")
    if b"?" not in read_until(line, b"?", 60):
        pytest.fail(f"the guest of {id} does not echo")
    line.close()
