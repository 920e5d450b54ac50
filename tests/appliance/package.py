"""The package as tests have it: built, installed on a machine, and its engine answering."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.appliance.machine import Machine

MOMENT = 1_800_000_000


def build(root: Path, out: Path, moment: int) -> Path:
    """The package of the sources in `root`, as of that moment."""
    environment = {**os.environ, "PYTHONPATH": str(root), "SOURCE_DATE_EPOCH": str(moment)}
    command = [sys.executable, "-m", "appliance.deb", "--out", str(out)]
    ended = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return out / Path(ended.stdout.strip()).name


def put_in(machine: Machine, package: Path) -> str:
    """Let apt install the package; its words."""
    machine.put(package, f"/var/tmp/{package.name}")
    return machine.run(f"apt-get install -y /var/tmp/{package.name} 2>&1", timeout=600)


def answers(machine: Machine) -> dict[str, object]:
    """The engine, as it tells of itself once it does."""
    machine.wait(lambda: machine.attempt("origo engine show --json").status == 0, "an answer of the engine")
    found: dict[str, object] = json.loads(machine.run("origo engine show --json"))
    return found
