"""The two locks agree: what runs at a user's is exactly what the core imports, in the versions that were tested."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import ROOT

PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$((?:\n    --hash=\S+(?: \\)?$)+)", re.MULTILINE)


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Of each package in a lock the version and the hashes."""
    return {
        name: (version, frozenset(re.findall(r"sha256:\w+", rest)))
        for name, version, rest in PIN.findall(path.read_text())
    }


def asked() -> list[str]:
    """What this setup.py says, whichever one was installed last."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    (found,) = (node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "install_requires")
    return list(ast.literal_eval(found.value))


def needed(python: str) -> set[str]:
    """What setup.py asks for and all that those need in turn, on that Python."""
    found: set[str] = set()
    waiting = asked()
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        environment = {"python_version": python, "python_full_version": f"{python}.0"}
        extras = {"", *wanted.extras}
        if wanted.marker and not any(wanted.marker.evaluate({**environment, "extra": one}) for one in extras):
            continue
        if name not in found:
            found.add(name)
            waiting += metadata.requires(name) or []
    return found


def test_what_is_packaged_is_what_was_tested() -> None:
    whole, runtime = pins(ROOT / "requirements.lock"), pins(ROOT / "requirements.runtime.lock")
    assert runtime and runtime == {name: whole[name] for name in runtime}


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_runtime_lock_is_what_the_core_needs_on_either_debian(python: str) -> None:
    assert set(pins(ROOT / "requirements.runtime.lock")) >= needed(python)


def test_the_runtime_lock_has_nothing_besides() -> None:
    assert set(pins(ROOT / "requirements.runtime.lock")) == needed("3.11") | needed("3.13")
