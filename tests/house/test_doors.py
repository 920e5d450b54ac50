"""One door to each thing outside: who may import it, or name its program, is one module and its folder."""

import ast

import pytest

from tests.house.source import Module, product

# The thing → the only modules (with what is below them) that import it.
IMPORTS = {
    "subprocess": ("origo.host",),
    "pty": ("origo.host",),
    "multiprocessing": ("origo.host",),
    "sqlite3": ("origo.model",),
    "peewee": ("origo.model", "origo.services", "origo.operations", "origo.events"),
    "cryptography": ("origo.secrets",),
    "httpx2": ("origo.client",),
    "acme": ("origo.client",),
    "josepy": ("origo.client",),
    "dns": ("origo.client",),
    "apscheduler": ("origo.timers",),
    "watchdog": ("origo.watch",),
    "libvirt": ("origo_plugins.hypervisor_kvm",),
    "libvirt_qemu": ("origo_plugins.hypervisor_kvm",),
    "bottle": ("origo.web",),
    "cheroot": ("origo.web",),
    "click": ("origo.cli", "origo.__main__"),
    "rich": ("origo.cli",),
}
# Functions that start processes, and who calls them.
SPAWNING = ("os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp")
# (The sandbox is itself the program that a host starts: it makes namespaces before it becomes the command.)
SPAWNERS = ("origo.host", "origo.supervise", "origo.services.catalog.full.sandbox")
# Starting a program is also how these begin: they run before there is an engine, or to prove it from outside.
OUTSIDE = ("appliance", "origo.testing")


def within(module: Module, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of those named, or below one."""
    return any(module.name == name or module.name.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("thing", IMPORTS)
def test_only_its_door_imports(thing: str) -> None:
    wrong = [
        f"{module.place}:{line}"
        for module in product()
        if not within(module, (*IMPORTS[thing], *OUTSIDE))
        for line, name in module.imports()
        if name == thing or name.startswith(f"{thing}.")
    ]
    assert wrong == [], f"only {' and '.join(IMPORTS[thing])} may import {thing}"


def test_only_the_host_starts_processes() -> None:
    wrong = []
    for module in product():
        if within(module, (*SPAWNERS, *OUTSIDE)):
            continue
        for node in ast.walk(module.tree):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name.startswith(("os.spawn", "os.exec")) or name in SPAWNING:
                wrong.append(f"{module.place}:{node.lineno} {name}")
    assert wrong == []


def test_no_command_is_a_shell_string() -> None:
    wrong = [
        f"{module.place}:{node.value.lineno}"
        for module in product()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", None) is not False
    ]
    assert wrong == []


def test_only_disks_uses_qemu_img() -> None:
    wrong = [
        f"{module.place}:{node.lineno}"
        for module in product()
        if not within(module, ("origo.disks", *OUTSIDE))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and node.value == "qemu-img"
    ]
    assert wrong == []
