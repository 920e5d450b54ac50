"""What a home promises: one daemon, our own marker, nothing of others touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from origo import home
from origo.errors import BadInput, Conflict


def test_a_second_daemon_on_one_home_is_refused_with_a_sentence(tmp_path: Path) -> None:
    first = home.Home(tmp_path / "home")
    with pytest.raises(Conflict, match="another origo runs there"):
        home.Home(tmp_path / "home")
    first.release()
    home.Home(tmp_path / "home").release()


def test_a_folder_that_holds_something_else_is_not_made_a_home(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(Conflict, match="it holds files of something else"):
        home.Home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_what_a_purge_leaves_of_pools_and_an_empty_file_system_is_made_a_home(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0o700)
    image = tmp_path / "pools/0/images/one.qcow2"
    image.parent.mkdir(parents=True)
    image.write_text("kept")
    home.Home(tmp_path).release()
    assert home.is_home(tmp_path) and image.read_text() == "kept"


def lead(path: Path) -> None:
    path.symlink_to("/var/tmp")


def open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


@pytest.mark.parametrize("name", ["pools", "lost+found", "pools/0"])
@pytest.mark.parametrize("made", [Path.touch, lead, open_to_all])
def test_only_folders_of_its_own_count_as_what_a_purge_leaves(
    name: str, made: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    made(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Conflict, match="it holds files of something else"):
        home.Home(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_keys_are_for_root_only_and_the_home_can_be_passed_through(tmp_path: Path) -> None:
    home.make(tmp_path / "home")
    modes = {name: (tmp_path / "home" / name).stat().st_mode & 0o777 for name in home.FOLDERS}
    assert modes == home.FOLDERS
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o711


def test_a_path_that_is_too_long_for_the_sockets_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="would be too long for the kernel"):
        home.Home(tmp_path / ("x" * 100))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("sign", ["\n", "\x1b", " ", ";", "{", "$", '"', ":", ",", "#", "\\", "\udcff"])
def test_a_path_that_would_be_read_otherwise_in_a_configuration_is_refused(tmp_path: Path, sign: str) -> None:
    with pytest.raises(BadInput, match="cannot use .* as a home: .* in it") as caught:
        home.Home(tmp_path / f"a{sign}b")
    assert caught.value.message.isprintable() and caught.value.message.isascii()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/dev/null", "/dev/null/x", "/proc/x"])
def test_where_no_folder_can_be_made_is_said(path: str) -> None:
    with pytest.raises(BadInput, match=f"cannot make {path} a home: [A-Z]"):
        home.Home(Path(path))


def test_letters_of_any_language_make_a_path(tmp_path: Path) -> None:
    path = tmp_path / "é_+@-"
    home.Home(path).release()
    assert home.is_home(path)
