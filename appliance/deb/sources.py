"""What a package is made of: the project's own files, the wheels that the lock names, and the moment they date from."""

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from origo import VERSION
from origo.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.runtime.lock"
SOURCE = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "origo", "plugins")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests", ".*")
PYTHON = "3.13"
GLIBC = 41
"""Of the target's Debian, the second number of its C library: wheels made for that or an older one run there."""


def epoch() -> int:
    """The moment that everything in the package dates from: SOURCE_DATE_EPOCH, else the last commit."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        text = ended.stdout.strip()
    if not text.isdecimal():
        raise BadInput(
            "cannot tell when these sources were made: this is no git checkout",
            hint="set SOURCE_DATE_EPOCH to the seconds since 1970",
        )
    return int(text)


def version(changelog: str, moment: int) -> str:
    """The package's version: the project's own, and before its release also the moment, so that later is newer."""
    heading = re.search(r"^## (.+)$", changelog, re.MULTILINE)
    if heading and heading[1].startswith(VERSION):
        return VERSION
    return f"{VERSION}~{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y%m%d%H%M%S}"


def copy(work: Path) -> None:
    """Put the project's own source into `work`/source."""
    folder = work / "source"
    folder.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, folder / name)


def download(work: Path) -> None:
    """Let pip fetch what the lock names for the target's Python into `work`/wheels, every hash checked.

    It asks where this machine's pip asks; what has no wheel comes as source, and is built in the tree.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "download", "--require-hashes"]
    command += ["--no-deps", "-r", str(LOCK), "--dest", str(work / "wheels"), "--python-version", PYTHON]
    command += ["--implementation", "cp", "--platform", "manylinux2014_x86_64", "--platform", "linux_x86_64"]
    for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for minor in range(GLIBC, 4, -1):
        command += ["--platform", f"manylinux_2_{minor}_x86_64"]
    subprocess.run(command, check=True, timeout=1800)
