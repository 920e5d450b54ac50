"""Plugins are found without importing them, loaded one at a time, and a broken one never stops another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from origo.contracts import Closing, Driver, Facts, Lack, PoolUsage, Storage
from origo.errors import BadInput, Conflict, NotFound, Unavailable
from origo.host import Host
from origo.plugins import Drivers, PluginFacts, read_manifest

GOOD = """
from origo.contracts import Storage
from origo.hookspecs import hookimpl

class Shelf(Storage):
    def __getattr__(self, name): raise AttributeError(name)
    check = info = render = examine = create = destroy = open = usage = lambda self: []
    place = list = move = seal = remove = lambda self: []

@hookimpl
def register_drivers(register):
    register("storage", NAME, Shelf)
"""

Make = Callable[..., Path]


class _NamedHost:
    name = "here"


HOST: Host = _NamedHost()  # type: ignore[assignment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a plugin's folder below tmp_path."""

    def plugin(name: str, code: str = "", /, **manifest: object) -> Path:
        folder = tmp_path / name
        folder.mkdir(mode=0o755)
        values = {"name": name, "summary": f"The plugin {name}.", "contract": 1, **manifest}
        lines = [f"{key} = {value!r}\n" for key, value in values.items() if value is not None]
        (folder / "plugin.toml").write_text("".join(lines))
        (folder / "__init__.py").write_text((code or GOOD).replace("NAME", repr(name)))
        return folder

    return plugin


def load(tmp_path: Path) -> tuple[Drivers, dict[str, PluginFacts]]:
    drivers = Drivers(folders=[tmp_path])
    drivers.load()
    return drivers, {facts.name: facts for facts in drivers.plugins()}


def test_a_folder_with_a_manifest_is_a_plugin(make: Make, tmp_path: Path) -> None:
    make("shelf", packages=["shelf-tools"])
    drivers, facts = load(tmp_path)
    assert facts["shelf"] == PluginFacts(
        "shelf", "The plugin shelf.", "ready", "", kinds=("storage",), packages=("shelf-tools",)
    )
    assert "shelf" in drivers.names("storage")
    assert isinstance(drivers.storage("shelf", HOST, {}), Storage)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('no luck')", "cannot load it: ValueError: no luck"),
        ("import sys; sys.exit(3)", "cannot load it: SystemExit: 3"),
        ("def broken(:", "cannot load it: SyntaxError"),
        ("import absent_module_of_nobody", "cannot load it: ModuleNotFoundError: No module named 'absent_module"),
        (GOOD.replace('"storage"', '"cupboard"'), "there is no kind 'cupboard'"),
        (GOOD.replace('"storage"', '"network"'), "Shelf is no Network"),
        (GOOD.replace("= seal", ""), "Shelf lacks seal"),
        (GOOD + "    raise KeyError('late')", "cannot load it: KeyError: 'late'"),
        (GOOD + "    register('storage', NAME, Shelf)", "there is one of that name"),
    ],
)
def test_a_plugin_that_fails_is_listed_with_its_reason_and_stops_no_other(
    make: Make, tmp_path: Path, code: str, reason: str
) -> None:
    make("a_broken", code)
    make("b_good")
    drivers, facts = load(tmp_path)
    assert facts["a_broken"].state == "unavailable"
    assert reason in facts["a_broken"].reason
    assert facts["b_good"].state == "ready"
    assert "a_broken" not in drivers.names("storage")
    with pytest.raises(Unavailable, match="cannot use the plugin a_broken: "):
        drivers.storage("a_broken", HOST, {})


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"contract": 7}, "generation 7 of the contracts"),
        ({"contract": "1"}, "'contract' has the wrong type"),
        ({"summary": None}, "'summary' is missing"),
        ({"name": "other"}, "its name is other"),
        ({"sumary": "x"}, "unknown key 'sumary'"),
        ({"packages": [3]}, "'packages' has the wrong type"),
        ({"modules": ["absent_module_of_nobody"]}, "the Python module absent_module_of_nobody"),
    ],
)
def test_a_manifest_that_does_not_fit_keeps_the_plugin_from_being_imported(
    make: Make, tmp_path: Path, manifest: dict[str, object], reason: str
) -> None:
    folder = make("shelf", "import pathlib; pathlib.Path(__file__).with_name('imported').touch()", **manifest)
    _, facts = load(tmp_path)
    assert facts["shelf"].state == "unavailable"
    assert reason in facts["shelf"].reason
    assert not (folder / "imported").exists()


def test_a_missing_command_is_told_with_the_packages_to_install(make: Make, tmp_path: Path) -> None:
    make("shelf", commands=["absent-command"], packages=["shelf-tools"])
    drivers, facts = load(tmp_path)
    assert facts["shelf"].reason == "cannot find the command absent-command; install the packages shelf-tools"
    with pytest.raises(Unavailable, match="install the packages shelf-tools"):
        drivers.storage("shelf", HOST, {})


@pytest.mark.parametrize("name", ["__init__.py", "plugin.toml", "."])
def test_a_plugin_that_others_than_root_could_have_written_is_not_imported(
    make: Make, tmp_path: Path, name: str
) -> None:
    folder = make("shelf")
    (folder / name).chmod(0o777)
    _, facts = load(tmp_path)
    assert "must be owned by root" in facts["shelf"].reason


def test_two_plugins_of_one_name_are_both_refused(make: Make, tmp_path: Path) -> None:
    make("storage_rsync", GOOD)
    drivers, facts = load(tmp_path)
    assert "both have this name" in facts["storage_rsync"].reason or "cannot find" in facts["storage_rsync"].reason
    with pytest.raises(Unavailable):
        drivers.storage("storage_rsync", HOST, {})


def test_a_driver_that_nobody_registered_is_unavailable_with_the_known_names(make: Make, tmp_path: Path) -> None:
    make("shelf")
    drivers, _ = load(tmp_path)
    with pytest.raises(Unavailable, match="cannot find a storage driver named cellar") as caught:
        drivers.storage("cellar", HOST, {})
    assert "shelf" in caught.value.hint


def test_a_manifest_that_is_absent_or_no_toml_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot find"):
        read_manifest(tmp_path)
    (tmp_path / "plugin.toml").write_text("name = ")
    with pytest.raises(BadInput, match="cannot read"):
        read_manifest(tmp_path)


class Cellar(Storage, Closing):
    """A storage that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        Cellar.closed += 1

    def check(self) -> list[Lack]:
        return []

    def info(self) -> Facts:
        return Facts("cellar")

    def usage(self, pool: object) -> PoolUsage:
        return PoolUsage(1, 1)

    render = examine = create = destroy = open = place = list = move = seal = remove = None  # type: ignore[assignment]


def test_there_is_one_driver_for_each_host_and_options_until_it_is_closed() -> None:
    drivers = Drivers(folders=[])
    drivers.register("storage", "cellar", Cellar)
    with pytest.raises(Conflict, match="there is one of that name"):
        drivers.register("storage", "cellar", Cellar)
    there = _NamedHost()
    there.name = "there"
    first = drivers.storage("cellar", HOST, {"a": "1"})
    assert drivers.storage("cellar", HOST, {"a": "1"}) is first
    assert drivers.storage("cellar", there, {"a": "1"}) is not first  # type: ignore[arg-type]
    Cellar.closed = 0
    other = drivers.storage("cellar", HOST, {"a": "2"})
    assert other is not first and isinstance(other, Driver)
    assert drivers.storage("cellar", HOST, {"a": "1"}) is first
    assert Cellar.closed == 0
    drivers.close()
    assert Cellar.closed == 3
