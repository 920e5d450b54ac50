"""What the driver costs: defining and starting a server, one alone and fifty at once, beside virsh doing just that."""

import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from origo_plugins.hypervisor_kvm.driver import KvmHypervisor

from origo.contracts import DiskSpec, ServerSpec
from origo.host import LocalHost
from origo.supervise import Supervisor
from origo.testing import tiny_guest
from tests.bench._figures import show

ROUNDS = 12
AT_ONCE = 50
MOST = 1.05
LEAST = 0.7
Run = Callable[[ServerSpec, Path], None]


def main() -> int:
    """Print both figures; 1 if one is out of bounds."""
    with tempfile.TemporaryDirectory(prefix="origo-start-") as path:
        folder = Path(path)
        folder.chmod(0o711)
        driver = KvmHypervisor(LocalHost(), {"daemon": "own", "state": f"{path}/state"})
        supervisor = Supervisor(f"{path}/services", lambda name, sentence: None)
        for service in driver.services():
            supervisor.ensure(service)
        try:
            driver.info()
            return measure(driver, folder)
        finally:
            for id in driver.list():
                driver.stop(id, force=True)
                driver.undefine(id)
            driver.close()
            supervisor.stop_all()


def measure(driver: KvmHypervisor, folder: Path) -> int:
    """Both figures; the two ways take turns, so that the machine's moods are shared."""

    def ours(spec: ServerSpec, _xml: Path) -> None:
        driver.define(spec)
        driver.start(spec.id)

    ways: dict[str, Run] = {"driver": ours, "virsh": virsh}
    alone: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            alone[name].append(run(driver, folder, way, 1))
    one, bare = (statistics.median(alone[name]) for name in ways)
    show("start", one, "s", f"virsh define and start {bare:.2f} s", one / bare)
    together = dict.fromkeys(ways, 0.0)
    for name in ("virsh", "driver", "driver", "virsh"):
        together[name] = max(together[name], AT_ONCE / run(driver, folder, ways[name], AT_ONCE))
    ratio = together["driver"] / together["virsh"]
    show("start-parallel", together["driver"], "1/s", f"virsh fifty times at once {together['virsh']:.2f} 1/s", ratio)
    return int(one / bare > MOST or ratio < LEAST)


def run(driver: KvmHypervisor, folder: Path, way: Run, count: int) -> float:
    """Seconds until so many new servers run; they are gone afterwards."""
    specs = []
    for _ in range(count):
        disk = DiskSpec(str(tiny_guest.write(folder / f"{uuid.uuid4()}.raw")), "raw")
        specs.append(ServerSpec(str(uuid.uuid4()), "bench", memory_mb=64, cpus=1, disks=(disk,)))
    files = [folder / f"{spec.id}.xml" for spec in specs]
    for spec, file in zip(specs, files, strict=True):
        file.write_text(driver.render(spec))
    with ThreadPoolExecutor(count) as threads:
        began = time.perf_counter()
        list(threads.map(way, specs, files))
        took = time.perf_counter() - began
        list(threads.map(lambda spec: driver.stop(spec.id, force=True), specs))
    for spec, file in zip(specs, files, strict=True):
        driver.undefine(spec.id)
        file.unlink()
        Path(spec.disks[0].path).unlink()
    return took


def virsh(spec: ServerSpec, xml: Path) -> None:
    """The bare way: what a person would type."""
    for words in (["define", str(xml)], ["start", spec.id]):
        subprocess.run(["virsh", "-q", *words], check=True, stdout=subprocess.DEVNULL, timeout=300)


if __name__ == "__main__":
    sys.exit(main())
