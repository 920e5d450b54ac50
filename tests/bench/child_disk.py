"""What a child costs: 8,000 scattered writes of 4 KiB, in space beside the data, in time beside a default child."""

import json
import random
import subprocess
import sys
import tempfile
import time

from origo import disks
from origo.host import LocalHost

WRITES = 8_000
BLOCK = 4 << 10
DISK_BYTES = 10 << 30
SECONDS = 5
FLUSH_EVERY = 1_000
ROUNDS = 5


def main() -> int:
    """Print both figures; 1 if one is out of bounds."""
    host = LocalHost()
    places = random.Random(1).sample(range(DISK_BYTES // BLOCK), WRITES)
    words = [f"write -q -P 7 {place * BLOCK} {BLOCK}\n" for place in places]
    commands = "".join(
        word + ("flush\n" if not (number + 1) % FLUSH_EVERY else "") for number, word in enumerate(words)
    )
    times: dict[str, list[float]] = {"child": [], "default": []}
    spaces: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="origo-child-disk-", dir="/var/tmp") as folder:  # noqa: S108 - a real disk
        master = f"{folder}/master.qcow2"
        disks.create(host, master, DISK_BYTES)
        for _ in range(ROUNDS):
            for kind in times:
                path = f"{folder}/{kind}.qcow2"
                if kind == "child":
                    disks.create_child(host, path, master)
                else:
                    host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", master, "-F", "qcow2", path])
                times[kind].append(write(path, commands))
                spaces[kind] = host.stat(path).allocated_bytes
                host.remove(path)
    data = WRITES * BLOCK
    seconds, default_seconds = min(times["child"]), min(times["default"])
    against = f"{data / 1e6:.1f} MB written (a default child takes {spaces['default'] / 1e6:.0f} MB)"
    show("child-disk", spaces["child"] / 1e6, "MB", against, spaces["child"] / data)
    show("child-disk-time", seconds, "s", f"{default_seconds:.2f} s for a default child", seconds / default_seconds)
    return int(spaces["child"] > 1.2 * data or seconds > default_seconds)


def write(path: str, commands: str) -> float:
    """Seconds that it takes to do all writes and have them on disk, as a guest would: a flush now and then."""
    argv = ["qemu-io", "-t", "writeback", "-f", "qcow2", path]
    began = time.perf_counter()
    subprocess.run(argv, input=commands.encode(), check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
    return time.perf_counter() - began


def show(name: str, value: float, unit: str, against: str, ratio: float) -> None:
    """One figure as a line of JSON."""
    figure = {"name": name, "value": round(value, 2), "unit": unit, "against": against, "ratio": round(ratio, 3)}
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    sys.exit(main())
