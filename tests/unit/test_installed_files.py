"""What is installed from the sources is all of them: also what is no Python, such as the templates of pages."""

import subprocess
import sys
from pathlib import Path

from tests.house.source import ROOT

PACKAGES = {"origo": "origo", "plugins": "origo_plugins"}
NOT_INSTALLED = ("__pycache__", "tests")


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not set(path.parts) & set(NOT_INSTALLED)}


def test_every_file_of_the_core_and_the_plugins_is_installed(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", tmp_path / "work"]
    subprocess.run([*command, "--build-lib", tmp_path / "lib"], cwd=ROOT, check=True, capture_output=True)
    for source, target in PACKAGES.items():
        assert files(ROOT / source) - files(tmp_path / "lib" / target) == set()
