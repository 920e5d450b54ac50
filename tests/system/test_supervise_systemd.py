"""What is promised of the programs that Origo needs holds in systemd's form as well: on a systemd that is process 1."""

import os
import subprocess
import sys

import pytest

from tests.house.source import ROOT

pytestmark = [pytest.mark.needs("systemd"), pytest.mark.needs("nginx")]

SUITE = ("tests/unit/test_supervise.py", "tests/system/test_supervise_real.py")


def test_programs_under_systemd_keep_all_that_is_promised_of_them() -> None:
    command = [ROOT / "tests" / "under-systemd", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE]
    environment = {**os.environ, "ORIGO_TEST_FORM": "systemd"}
    environment.pop("ORIGO_TEST_COUNTS", None)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0 and " passed" in ended.stdout, ended.stdout + ended.stderr
