"""What is promised of the daemon and its programs holds under a real systemd, process 1 of a world of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = [pytest.mark.needs("systemd"), pytest.mark.needs("nginx"), pytest.mark.needs("libvirt")]

SUITE = ("tests/unit/test_supervise.py", "tests/system/test_supervise_real.py")


def run(*paths: str, kept: Path | None = None) -> None:
    """Run these tests in such a world, which then goes down; what is in the folder `kept` stays."""
    command = [ROOT / "tests" / "under-systemd", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    environment = {**os.environ, "ORIGO_TEST_FORM": "systemd"}
    environment.pop("ORIGO_TEST_COUNTS", None)
    if kept:
        environment |= {"ORIGO_TEST_KEPT": str(kept)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0 and " passed" in ended.stdout, ended.stdout + ended.stderr


def test_programs_under_systemd_keep_all_that_is_promised_of_them() -> None:
    run(*SUITE)


@pytest.mark.needs("iptables")
def test_a_networks_program_serves_guests_within_what_systemd_leaves_it() -> None:
    run("plugins/net_iptables/tests/test_net_iptables_real.py", "-k", "test_20 or test_21 or test_38")


def test_the_daemon_under_systemd_keeps_all_that_is_promised_of_it() -> None:
    run("tests/system/daemon_suite.py")


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder that the users of guests may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="origo-kept-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def test_servers_shut_down_before_the_machine_does_and_come_back_with_it(kept: Path) -> None:
    run("tests/system/life_suite.py::test_a_server_runs", kept=kept)
    journal = ["journalctl", "--directory", kept / "journal", "--output=cat"]
    words = subprocess.run(journal, capture_output=True, text=True, check=True).stdout.splitlines()
    asked = next(number for number, line in enumerate(words) if "waiting for one to shut down" in line)
    stopped = next(number for number, line in enumerate(words) if "Stopped origo.service" in line)
    others = [
        number for number, line in enumerate(words) if line.startswith(("Stopping libvirtd", "Stopped origo-nginx"))
    ]
    assert asked < stopped < min(others) and len(others) == 2
    assert not any("power a server off" in line for line in words)
    run("tests/system/life_suite.py::test_it_is_back_after_the_next_start", kept=kept)


def test_an_upgrade_that_fails_goes_back_by_itself() -> None:
    run("tests/system/upgrade_suite.py")
