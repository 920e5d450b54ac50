"""Plugins are found, judged by their manifest, and loaded one at a time, so that a broken one never stops another."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import shutil
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from origo import hookspecs
from origo.contracts import GENERATION, Closing, Driver, Hypervisor, Network, Storage
from origo.errors import BadInput, Conflict, NotFound, OrigoError, Unavailable, reason
from origo.host import Host

GROUP = "origo.plugins"
KINDS: Mapping[str, type[Any]] = {"hypervisor": Hypervisor, "storage": Storage, "network": Network}
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Manifest:
    """A plugin's `plugin.toml`: all that is known of it without importing it.

    `packages` are the Debian packages it needs, `commands` the programs this machine must have for it,
    `modules` the Python modules it imports besides Origo's own.
    """

    name: str
    summary: str
    contract: int
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginFacts:
    """A plugin as it is listed: `state` is ready or unavailable, the latter with a `reason`."""

    name: str
    summary: str = ""
    state: str = "ready"
    reason: str = ""
    kinds: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass
class _Found:
    """A plugin's folder, and the name under which it is imported."""

    name: str
    folder: Path
    module: str
    trusted: bool
    manifest: Manifest | None = None
    reason: str = ""
    drivers: list[tuple[str, str]] = field(default_factory=list)


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a plugin's folder; nothing is imported. Raises NotFound, BadInput."""
    path = folder / "plugin.toml"
    try:
        data = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise NotFound(f"cannot find {path}") from None
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {reason(error)}") from error
    wanted = {"name": str, "summary": str, "contract": int, "packages": list, "commands": list, "modules": list}
    for key, value in data.items():
        if key not in wanted:
            raise BadInput(f"cannot use {path}: unknown key {key!r}", hint=f"known keys: {', '.join(wanted)}")
        if not isinstance(value, wanted[key]) or (
            isinstance(value, list) and not all(isinstance(item, str) for item in value)
        ):
            raise BadInput(f"cannot use {path}: {key!r} has the wrong type")
    for key in ("name", "summary", "contract"):
        if key not in data:
            raise BadInput(f"cannot use {path}: {key!r} is missing")
    lists = {key: tuple(data.get(key, ())) for key in ("packages", "commands", "modules")}
    return Manifest(data["name"], data["summary"], data["contract"], **lists)


class Drivers:
    """All plugins, and the drivers they registered: one instance for each driver, host and options."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._manager = pluggy.PluginManager("origo")
        self._manager.add_hookspecs(hookspecs)
        self._found: dict[str, _Found] = {}
        self._classes: dict[tuple[str, str], type[Driver]] = {}
        self._instances: dict[tuple[str, str, str, str], Driver] = {}
        self._lock = threading.Lock()

    def load(self) -> None:
        """Find and load all plugins; what is wrong with one is kept as its reason. Called once."""
        for found in self._discover():
            if found.name in self._found:
                other = self._found[found.name]
                other.reason = other.reason or f"cannot tell {other.folder} from {found.folder}: both have this name"
                for key in other.drivers:
                    self._classes.pop(key, None)
                continue
            self._found[found.name] = found
            try:
                self._load(found)
            except OrigoError as error:
                found.reason = error.message
            except (Exception, SystemExit) as error:
                # Whatever a plugin's code does while it is imported, sys.exit() too, is its own failure only.
                found.reason = f"cannot load it: {type(error).__name__}: {error}"

    def plugins(self) -> list[PluginFacts]:
        """All plugins by name, the unusable ones with their reason."""
        return [self._facts(found) for _, found in sorted(self._found.items())]

    def names(self, kind: str) -> list[str]:
        """The names of all drivers of a kind that are registered."""
        return sorted(name for one, name in self._classes if one == kind)

    def register(self, kind: str, name: str, cls: type[Driver]) -> None:
        """Add a driver that is in no plugin, such as a fake. Raises BadInput, Conflict."""
        _check_driver(kind, name, cls)
        if (kind, name) in self._classes:
            raise Conflict(f"cannot register the {kind} driver {name}: there is one of that name")
        self._classes[kind, name] = cls

    def hypervisor(self, name: str, host: Host, options: Mapping[str, str]) -> Hypervisor:
        """The hypervisor driver of that name for a host. Raises Unavailable."""
        driver = self._driver("hypervisor", name, host, options)
        assert isinstance(driver, Hypervisor)
        return driver

    def storage(self, name: str, host: Host, options: Mapping[str, str]) -> Storage:
        """The storage driver of that name for a host. Raises Unavailable."""
        driver = self._driver("storage", name, host, options)
        assert isinstance(driver, Storage)
        return driver

    def network(self, name: str, host: Host, options: Mapping[str, str]) -> Network:
        """The network driver of that name for a host. Raises Unavailable."""
        driver = self._driver("network", name, host, options)
        assert isinstance(driver, Network)
        return driver

    def close(self) -> None:
        """Close all drivers that hold connections or threads."""
        with self._lock:
            instances = list(self._instances.values())
            self._instances.clear()
        for driver in instances:
            if isinstance(driver, Closing):
                driver.close()

    def _driver(self, kind: str, name: str, host: Host, options: Mapping[str, str]) -> Driver:
        for found in self._found.values():
            if (kind, name) in found.drivers or found.name == name:
                facts = self._facts(found)
                if facts.reason:
                    raise Unavailable(f"cannot use the plugin {found.name}: {facts.reason}")
        cls = self._classes.get((kind, name))
        if cls is None:
            known = ", ".join(self.names(kind)) or "none"
            raise Unavailable(f"cannot find a {kind} driver named {name}", hint=f"there are: {known}")
        with self._lock:
            key = (kind, name, host.name, json.dumps(dict(options), sort_keys=True))
            driver = self._instances.get(key)
            if driver is None:
                driver = self._instances[key] = cls(host, dict(options))
            return driver

    def _discover(self) -> Iterator[_Found]:
        for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
            found = _Found(entry.name, Path(), entry.module, trusted=True)
            # Finding a submodule imports its parent package, which may fail as any plugin's code may.
            with contextlib.suppress(Exception):
                spec = importlib.util.find_spec(entry.module)
                found.folder = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
            if found.folder == Path():
                found.reason = f"cannot find the module {entry.module}"
            yield found
        for parent in self._folders:
            for path in sorted(parent.glob("*/plugin.toml")):
                folder = path.parent
                yield _Found(folder.name, folder, f"origo_plugin_{folder.name}", trusted=False)

    def _load(self, found: _Found) -> None:
        if found.reason:
            return
        if not found.trusted:
            _check_owner(found.folder)
        found.manifest = read_manifest(found.folder)
        _check_manifest(found.manifest, found.name)
        module = importlib.import_module(found.module) if found.trusted else _import_folder(found)
        registered: list[tuple[str, str, type[Driver]]] = []

        def register(kind: str, name: str, cls: type[Driver]) -> None:
            _check_driver(kind, name, cls)
            if (kind, name) in self._classes or any((kind, name) == one[:2] for one in registered):
                raise Conflict(f"cannot register the {kind} driver {name}: there is one of that name")
            registered.append((kind, name, cls))

        self._manager.register(module, name=found.name)
        others = [plugin for name, plugin in self._manager.list_name_plugin() if name != found.name]
        try:
            self._manager.subset_hook_caller("register_drivers", others)(register=register)
        except BaseException:
            self._manager.unregister(module)
            raise
        for kind, name, cls in registered:
            self._classes[kind, name] = cls
            found.drivers.append((kind, name))

    def _facts(self, found: _Found) -> PluginFacts:
        facts = PluginFacts(found.name)
        reason = found.reason
        if found.manifest is not None:
            facts = replace(facts, summary=found.manifest.summary, packages=found.manifest.packages)
            reason = reason or _missing_command(found.manifest)
        kinds = tuple(sorted({kind for kind, _ in found.drivers}))
        return replace(facts, kinds=kinds, reason=reason, state="unavailable" if reason else "ready")


def _missing_command(manifest: Manifest) -> str:
    # Asked each time, so that a package installed later needs no restart of the engine.
    missing = [command for command in manifest.commands if shutil.which(command, path=SEARCH_PATH) is None]
    if not missing:
        return ""
    return f"cannot find the command {missing[0]}; install the packages {' '.join(manifest.packages)}"


def _check_manifest(manifest: Manifest, name: str) -> None:
    if manifest.name != name:
        raise BadInput(f"cannot use it: its manifest says that its name is {manifest.name}")
    if manifest.contract != GENERATION:
        raise BadInput(
            f"cannot use it: it was written for generation {manifest.contract} of the contracts, this is {GENERATION}"
        )
    for module in manifest.modules:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise Unavailable(f"cannot find the Python module {module} that it needs")


def _check_driver(kind: str, name: str, cls: type[Any]) -> None:
    contract = KINDS.get(kind)
    if contract is None:
        raise BadInput(
            f"cannot register the driver {name}: there is no kind {kind!r}", hint=f"kinds: {', '.join(KINDS)}"
        )
    if not issubclass(cls, contract):
        raise BadInput(f"cannot register the {kind} driver {name}: {cls.__name__} is no {contract.__name__}")
    if inspect.isabstract(cls):
        lacks = ", ".join(sorted(cls.__abstractmethods__))
        raise BadInput(f"cannot register the {kind} driver {name}: {cls.__name__} lacks {lacks}")


def _check_owner(folder: Path) -> None:
    """Refuse code that anyone but root could have put there."""
    for path in [folder.resolve(), folder, *sorted(folder.rglob("*"))]:
        facts = path.lstat()
        if facts.st_uid != 0 or (not path.is_symlink() and facts.st_mode & 0o022):
            raise Unavailable(f"cannot trust {path}: it must be owned by root and writable by root only")


def _import_folder(found: _Found) -> ModuleType:
    location = found.folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        found.module, location, submodule_search_locations=[str(found.folder)]
    )
    if spec is None or spec.loader is None:
        raise Unavailable(f"cannot import {location}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[found.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[found.module]
        raise
    return module
