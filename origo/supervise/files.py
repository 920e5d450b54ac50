"""The files of programs and of the supervisor, written whole; and what tells one description of a program apart."""

import hashlib
import json
from pathlib import Path

from origo.contracts import ServiceSpec


def digest(spec: ServiceSpec) -> str:
    """The same for two specs if a program that runs as one of them runs as the other."""
    told = [spec.argv, spec.ready, *([True] if spec.children_stay else [])]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def holds(path: Path, text: str) -> bool:
    """Whether that file is there with that text."""
    try:
        return path.read_text() == text
    except OSError:
        return False


def replace(path: Path, text: str) -> None:
    """Atomically, but not synced: after a power cut all of it is made again. Programs read it as their own users."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o644)
    new.replace(path)


def make_folder(path: Path) -> None:
    """With those above it, open to the users that programs run as, whatever the daemon's umask is."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
