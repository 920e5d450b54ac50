"""What house tests read: every Python module of the project, parsed once, with the modules it imports."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IGNORED = {
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    "node_modules",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".pytest_cache",
}


@dataclass(frozen=True)
class Module:
    """One file of Python: its dotted name, its tree, and its text."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        """The path as a person names it."""
        return str(self.path.relative_to(ROOT))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything imported, also inside functions; `from a import b` gives `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parent = (
                        self.name.split(".")[: -node.level] if self.path.name != "__init__.py" else self.name.split(".")
                    )
                    base = ".".join([*parent, *base.split(".")]).strip(".")
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def files() -> Iterator[Path]:
    """Every file of the project that is written by hand."""
    return _files(ROOT)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module, those of the folder `plugins` by the name under which they are imported."""
    found = []
    for path in files():
        if path.suffix == ".py" or _is_script(path):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[0] == "plugins":
                parts[0] = "origo_plugins"
            name = ".".join(part for part in parts if part != "__init__")
            text = path.read_text()
            found.append(Module(name, path, text, ast.parse(text, str(path))))
    return tuple(found)


def core() -> Iterator[Module]:
    """The modules of the core."""
    return (module for module in modules() if module.name.partition(".")[0] == "origo")


def drivers() -> Iterator[Module]:
    """The modules of the plugins, without their tests."""
    return (module for module in modules() if module.name.startswith("origo_plugins.") and ".tests" not in module.name)


def product() -> Iterator[Module]:
    """What runs at a user's: the core, the plugins, and what the appliance adds."""
    kept = ("origo", "origo_plugins", "appliance")
    return (module for module in modules() if module.name.partition(".")[0] in kept and ".tests" not in module.name)


def _is_script(path: Path) -> bool:
    if path.suffix or path.stat().st_size > 1 << 20:
        return False
    with path.open("rb") as file:
        return b"python" in file.readline(100) and path.read_bytes()[:2] == b"#!"
