"""A machine's shutdown and the start after it, each in a world where systemd is process 1, with one home for both."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.daemon_world import origo, start, wait_until

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.needs("libvirt"), pytest.mark.timeout(240)]

KEPT = Path(os.environ.get("ORIGO_TEST_KEPT", "/nowhere"))


def keep_journal() -> None:
    """Let the journal lie in a folder that outlives the world: nobody else reads it to the very end."""
    (KEPT / "journal").mkdir()
    shutil.rmtree("/var/log/journal", ignore_errors=True)
    Path("/var/log/journal").symlink_to(KEPT / "journal")
    subprocess.run(["journalctl", "--flush"], check=True)


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
