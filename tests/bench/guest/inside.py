"""A guest of Origo beside the same one on raw files and a plain bridge; run by root in a machine with an engine.

usage: python inside.py RECIPE      prints what each round measured, as JSON
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PROGRAMS = ("/usr/bin/fio", "/usr/bin/iperf3")
ROUNDS = 3
NAME = "bare"
BRIDGE = "bare0"
GATEWAY, ADDRESS = "10.200.0.1", "10.200.0.10"
MAC = "52:54:00:ba:4e:01"
DATASET = "origo-0/bare"
DEFAULTS = {"recordsize": "128K", "compression": "on", "atime": "on", "direct": "standard"}
"""What ZFS does where nobody says otherwise; without it the dataset would take over what Origo set above it."""
FOLDER = Path("/bare")
DHCP = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--port=0", "--bind-interfaces"]
DHCP += [f"--interface={BRIDGE}", f"--dhcp-range={ADDRESS},{ADDRESS}", f"--dhcp-leasefile={FOLDER}/leases"]


def main() -> None:
    """Make both guests, and measure them in turn."""
    recipe = Path(sys.argv[1])
    gather(recipe / "programs")
    run("origo", "stacks", "build", str(recipe))
    run("origo", "stacks", "install", "measured")
    (server,) = (one for one in told("servers", "list") if one["name"].startswith("measured"))
    (connection,) = told("servers", "show", server["id"])["connections"]
    ours = connection["address"]
    wait_page(ours)
    with bare(f"origo-{server['id']}"):
        wait_page(ours)
        wait_page(ADDRESS)
        measures = {"write": random_write, "read": sequential_read, "net": net}
        guests = {"origo": ours, "bare": ADDRESS}
        found: dict[str, dict[str, list[float]]] = {measure: {guest: [] for guest in guests} for measure in measures}
        for address in guests.values():
            fio(address, "fill")
        for _ in range(ROUNDS):
            for measure, function in measures.items():
                for guest, address in guests.items():
                    found[measure][guest].append(function(address))
    json.dump(found, sys.stdout)


def gather(target: Path) -> None:
    """Put the machine's own programs, with the libraries that they need, where the recipe takes them from."""
    for program in PROGRAMS:
        for path in [program, *re.findall(r"=> (/\S+)", run("ldd", program))]:
            copy = target / path.removeprefix("/").removeprefix("usr/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def random_write(address: str) -> float:
    """Writes of 4 KiB a second, scattered over a file of the data disk."""
    return float(fio(address, "write")["write"]["iops"])


def sequential_read(address: str) -> float:
    """MB a second, read from one end of it to the other."""
    return float(fio(address, "read")["read"]["bw_bytes"]) / 1e6


def net(address: str) -> float:
    """Mbit a second, sent from the guest to the machine."""
    ended = json.loads(run("iperf3", "--client", address, "--reverse", "--time", "10", "--json"))
    return float(ended["end"]["sum_received"]["bits_per_second"]) / 1e6


def fio(address: str, job: str) -> dict[str, Any]:
    """What a job of the guest's said; `fill` writes the whole file, since what was never written is not read."""
    with urllib.request.urlopen(f"http://{address}/cgi-bin/disk.cgi?{job}", timeout=600) as answer:
        (found,) = json.load(answer)["jobs"]
    return dict(found)


@contextlib.contextmanager
def bare(domain: str) -> Iterator[None]:
    """A guest like that domain, which is off while its disks are copied, with nothing of Origo about it."""
    with contextlib.ExitStack() as stack:
        properties = {"mountpoint": str(FOLDER), **DEFAULTS}
        run("zfs", "create", *(word for item in properties.items() for word in ("-o", "=".join(item))), DATASET)
        stack.callback(run, "zfs", "destroy", DATASET)
        FOLDER.chmod(0o711)
        for words in (f"link add {BRIDGE} type bridge", f"address add {GATEWAY}/24 dev {BRIDGE}"):
            run("ip", *words.split())
        stack.callback(run, "ip", "link", "delete", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        stack.enter_context(running(DHCP))
        server = domain.removeprefix("origo-")
        run("origo", "servers", "shutdown", server)
        xml = copied(run("virsh", "dumpxml", "--inactive", domain))
        run("origo", "servers", "start", server)
        (FOLDER / "bare.xml").write_text(xml)
        run("virsh", "create", str(FOLDER / "bare.xml"))
        stack.callback(run, "virsh", "destroy", NAME)
        yield


def copied(xml: str) -> str:
    """That domain under another name, on that bridge, with copies of its disks: raw ones, without a master."""
    root = ElementTree.fromstring(xml)
    only(root, "name").text = NAME
    root.remove(only(root, "uuid"))
    for number, disk in enumerate(root.iterfind("devices/disk")):
        source, kind, path = only(disk, "source"), only(disk, "driver"), FOLDER / f"{number}.raw"
        if kind.attrib["type"] == "raw":
            shutil.copyfile(source.attrib["file"], path)
        else:
            run("qemu-img", "convert", "-O", "raw", source.attrib["file"], str(path))
        kind.set("type", "raw")
        source.set("file", str(path))
        for backing in disk.findall("backingStore"):
            disk.remove(backing)
    for card in root.iterfind("devices/interface"):
        only(card, "source").set("bridge", BRIDGE)
        only(card, "mac").set("address", MAC)
        for target in card.findall("target"):
            card.remove(target)
    return ElementTree.tostring(root, encoding="unicode")


@contextlib.contextmanager
def running(argv: list[str]) -> Iterator[None]:
    """A program that ends with the block."""
    process = subprocess.Popen(argv)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_page(address: str) -> None:
    """Wait until the guest there has started its services."""
    try:
        wait(lambda: urllib.request.urlopen(f"http://{address}/", timeout=5).status == 200, 600)
    except TimeoutError as error:
        raise RuntimeError(f"no answer from {address}:\n{run('virsh', 'list', '--all')}{run('ip', 'neigh')}") from error


def wait(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if true():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s")
        time.sleep(1)


def told(*words: str) -> Any:
    """What a command of Origo's tells programs."""
    return json.loads(run("origo", *words, "--json"))


def run(*argv: str) -> str:
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1800)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {ended.stderr or ended.stdout}")
    return ended.stdout


def only(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    assert found is not None, path
    return found


if __name__ == "__main__":
    main()
