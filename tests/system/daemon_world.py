"""A daemon as the package's unit runs it, in a world where systemd is process 1."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.house.source import ROOT

SYSTEMD = Path("/run/systemd/system")
UNITS = ROOT / "appliance" / "units"
ORIGO = str(Path(sys.executable).with_name("origo"))
WATCHDOG_SECONDS = 10


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=True, timeout=90).stdout


def shown(unit: str, name: str) -> str:
    return systemctl("show", unit, f"--property={name}", "--value").strip()


def pid(unit: str) -> int:
    return int(shown(unit, "MainPID"))


def origo(*words: str) -> str:
    ended = subprocess.run([ORIGO, *words], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} seconds"
        time.sleep(0.2)


def settled() -> bool:
    return shown("origo", "StatusText").startswith("ready")


def start(home: str) -> None:
    """Start the machine's libvirt and the daemon on that home, and wait until it has restored what there was."""
    os.environ["ORIGO_HOME"] = home
    text = (UNITS / "origo.service").read_text()
    text = text.replace("/usr/bin/origo", ORIGO).replace("/var/lib/origo", home).replace("2min", f"{WATCHDOG_SECONDS}")
    path = f"PATH={os.environ['PATH']}:/usr/sbin:/sbin"
    SYSTEMD.mkdir(parents=True, exist_ok=True)
    (SYSTEMD / "origo.service").write_text(re.sub(r"Environment=.*", f"Environment={path}", text))
    for name in ("origo-machine.service", "origo-home.target", "origo.slice"):
        shutil.copy(UNITS / name, SYSTEMD)
    wall = (UNITS / "origo-firewall.service").read_text()
    (SYSTEMD / "origo-firewall.service").write_text(wall.replace("/var/lib/origo", home))
    systemctl("daemon-reload")
    systemctl("start", "virtlogd", "libvirtd", "libvirt-guests", "origo")
    wait_until(settled)
