"""A machine's shutdown and the start after it, each in a world where systemd is process 1, with one home for both."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.daemon_world import origo, start, wait_until

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.needs("libvirt"), pytest.mark.timeout(240)]

KEPT = Path(os.environ.get("ORIGO_TEST_KEPT", "/nowhere"))


def keep_journal() -> None:
    """Write what systemd and all units say into a file that outlives the world, to the very end."""
    follow = f"exec journalctl --follow --lines=1000 --output=cat >>{KEPT}/journal"
    subprocess.run(["systemd-run", "-q", "--property=DefaultDependencies=no", "sh", "-c", follow], check=True)


def test_a_server_runs() -> None:
    keep_journal()
    start(f"{KEPT}/home")
    origo("catalog", "build", str(ROOT / "appliance" / "stacks" / "hello"))
    origo("stacks", "install", "hello", "--name", "one")
    assert " running " in origo("servers", "list")


def test_it_is_back_after_the_next_start() -> None:
    start(f"{KEPT}/home")
    wait_until(lambda: " running  " in origo("servers", "list"))
    assert origo("issues", "list").count("\n") <= 1
