"""What is promised of the daemon and its programs holds under a real systemd, process 1 of a world of its own."""

import os
import subprocess
import sys

import pytest

from tests.house.source import ROOT

pytestmark = [pytest.mark.needs("systemd"), pytest.mark.needs("nginx"), pytest.mark.needs("libvirt")]

SUITE = ("tests/unit/test_supervise.py", "tests/system/test_supervise_real.py")


def run(*paths: str) -> None:
    """Run these tests in such a world."""
    command = [ROOT / "tests" / "under-systemd", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    environment = {**os.environ, "ORIGO_TEST_FORM": "systemd"}
    environment.pop("ORIGO_TEST_COUNTS", None)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0 and " passed" in ended.stdout, ended.stdout + ended.stderr


def test_programs_under_systemd_keep_all_that_is_promised_of_them() -> None:
    run(*SUITE)


def test_the_daemon_under_systemd_keeps_all_that_is_promised_of_it() -> None:
    run("tests/system/daemon_suite.py")
