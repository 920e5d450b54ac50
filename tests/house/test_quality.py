"""Ruff finds nothing to say and would write every file as it is written; mypy finds no type that does not fit."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_has_nothing_to_say(arguments: tuple[str, ...]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    ended = subprocess.run([ruff, *arguments, "--quiet", "."], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_types_are_right_strictly() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--no-error-summary",
        "-p",
        "origo",
        "-p",
        "appliance.trial",
        "-p",
        "appliance.deb",
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
