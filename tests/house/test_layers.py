"""Imports point down: each part of the core uses those below it and never those above."""

import pytest

from tests.house.source import Module, core, drivers

# Top to bottom; parts in one line stand on the same height.
LAYERS = (
    ("__main__",),
    ("app",),
    ("web",),
    ("api", "timers", "watch"),
    ("services",),
    ("operations",),
    ("plugins", "events", "metrics"),
    ("model",),
    ("disks", "supervise", "home"),
    ("contracts",),
    ("host", "client", "config", "log", "secrets", "hookspecs", "notify", "reserve"),
    ("errors",),
)
HEIGHT = {part: -number for number, line in enumerate(LAYERS) for part in line}
CLI = {"cli", "client", "config", "errors"}
SHIPPED_FOR_TESTS = "testing"
DRIVERS = {"contracts", "host", "errors", "hookspecs", "log"}


def part_of(name: str) -> str:
    """The part of the core that a dotted name is in; the package itself has none."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "origo" and len(pieces) > 1 else ""


def parts_imported(module: Module) -> list[tuple[int, str]]:
    """Line and part of everything that a module imports from the core."""
    return [(line, part_of(name)) for line, name in module.imports() if part_of(name) not in ("", "VERSION")]


def test_every_part_of_the_core_has_its_place() -> None:
    parts = {part_of(module.name) for module in core()} - {"", "cli", SHIPPED_FOR_TESTS}
    assert sorted(parts - HEIGHT.keys()) == [], "put it into the layers of the design, and here"


def test_imports_of_the_core_point_down() -> None:
    wrong = []
    for module in core():
        own = part_of(module.name)
        if own in ("", "cli", SHIPPED_FOR_TESTS):
            continue
        for line, part in parts_imported(module):
            allowed = part == "cli" if own == "__main__" else False
            if not allowed and HEIGHT.get(part, 1) > HEIGHT[own]:
                wrong.append(f"{module.place}:{line} imports origo.{part}, which is above or beside the layers")
    assert wrong == []


def test_the_command_line_knows_only_the_client() -> None:
    wrong = [
        f"{module.place}:{line} imports origo.{part}"
        for module in core()
        if part_of(module.name) == "cli"
        for line, part in parts_imported(module)
        if part not in CLI
    ]
    assert wrong == []


def test_drivers_know_nothing_of_the_core_but_the_boundary() -> None:
    wrong = [
        f"{module.place}:{line} imports origo.{part}"
        for module in drivers()
        for line, part in parts_imported(module)
        if part not in DRIVERS
    ]
    assert wrong == []


@pytest.mark.parametrize("module", list(drivers()), ids=lambda module: module.name)
def test_a_driver_does_not_use_another(module: Module) -> None:
    own = module.name.split(".")[:2]
    others = [name for _, name in module.imports() if name.startswith("origo_plugins.") and name.split(".")[:2] != own]
    assert others == []
