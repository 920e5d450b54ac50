"""A guest under plain QEMU, without Origo around it: what a master is by itself."""

import contextlib
import http.client
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RANGE = "192.168.77.0/24"


class Guest:
    """A running guest; its port 80 is a port of this machine's loopback."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.started = time.monotonic()

    def get(self, path: str = "/", *, headers: dict[str, str] | None = None, wait: float = 0) -> str:
        """A page's text, waiting for it at most so many seconds."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.read().decode()
            except (urllib.error.HTTPError, urllib.error.URLError, OSError, http.client.HTTPException):
                if self.process.poll() is not None or time.monotonic() - self.started > wait:
                    raise AssertionError(f"no page; the guest says:\n{self.console()[-3000:]}") from None
            time.sleep(0.2)

    def console(self) -> str:
        """All that the guest printed on its serial line."""
        return (self.folder / "serial").read_text(errors="replace")

    def press_power(self) -> float:
        """Press the power button until it is heard; the seconds until the guest is off.

        A full guest that is still booting has nobody who listens.
        """
        before = time.monotonic()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "monitor"))
            for _ in range(12):
                monitor.sendall(b"system_powerdown\n")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(timeout=10)
                    break
        return time.monotonic() - before


@contextlib.contextmanager
def boot(folder: Path, *, system: Path, data: Path | None, seed: Path | None, memory_mb: int) -> Iterator[Guest]:
    """Run a guest for as long as the block lasts; what it writes to the system disk is forgotten."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    argv: list[Any] = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", memory_mb]
    argv += ["-display", "none", "-serial", f"file:{folder}/serial", "-no-reboot"]
    argv += ["-monitor", f"unix:{folder}/monitor,server=on,wait=off", "-device", "virtio-rng-pci"]
    argv += ["-netdev", f"user,id=n,net={RANGE},restrict=on,hostfwd=tcp:127.0.0.1:{port}-:80"]
    argv += ["-device", "virtio-net-pci,netdev=n"]
    disks = [(system, "qcow2", "origo-system", "snapshot=on"), (data, "qcow2", "origo-data", "snapshot=off")]
    for path, format, serial, more in (*disks, (seed, "raw", "origo-seed", "read-only=on")):
        if path:
            argv += ["-drive", f"file={path},format={format},if=none,id={serial},{more}"]
            argv += ["-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL)
    try:
        yield Guest(process, folder, port)
    finally:
        process.kill()
        process.wait()
