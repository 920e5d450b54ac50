"""A home whose files are replaced at the start: wholly, whenever that is cut off, and nothing of the old is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from origo import home

NEW = {"origo.db": b"new rows", "keys/seal.key": b"new key", "keys/front/server.key": b"new front"}


class Cut(BaseException):
    """The power went."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    home.make(tmp_path)
    for name in ("origo.db", "origo.db-wal", "origo.toml", "keys/seal.key"):
        (tmp_path / name).write_text(f"old {name}")
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    ours = [path for path in folder.rglob("*") if path.is_file() and path.name != home.MARKER]
    return {str(path.relative_to(folder)): path.read_bytes() for path in ours}


OLD = {name: f"old {name}".encode() for name in ("origo.db", "origo.db-wal", "origo.toml", "keys/seal.key")}
AFTER = NEW | {f"replaced-1/{name}": text for name, text in OLD.items()}


def cutting(monkeypatch: pytest.MonkeyPatch, after: int) -> Callable[[], int]:
    """Let the power go after so many renames."""
    rename, done = Path.rename, [0]

    def once(self: Path, target: Path) -> Path:
        if done[0] == after:
            raise Cut
        done[0] += 1
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", once)
    return lambda: done[0]


def test_without_anything_staged_nothing_changes(path: Path) -> None:
    assert not home.adopt(path) and everything(path) == OLD


def test_what_was_staged_takes_the_place_of_all_that_was_there(path: Path) -> None:
    home.stage(path, NEW)
    assert home.is_staged(path) and home.adopt(path)
    assert everything(path) == AFTER and not home.is_staged(path)
    assert not home.adopt(path) and everything(path) == AFTER


def test_what_is_taken_back_leaves_nothing(path: Path) -> None:
    home.stage(path, NEW)
    home.unstage(path)
    assert not home.adopt(path) and everything(path) == OLD


def test_staged_secrets_are_for_root_alone(path: Path) -> None:
    home.stage(path, NEW)
    assert (path / home.STAGED).stat().st_mode & 0o777 == 0o700
    home.adopt(path)
    assert (path / "keys/seal.key").stat().st_mode & 0o777 == 0o600
    assert (path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("after", range(11))
def test_whenever_the_power_goes_the_next_start_ends_with_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    home.stage(path, NEW)
    with monkeypatch.context() as patched:
        renamed = cutting(patched, after)
        try:
            home.adopt(path)
            assert renamed() == 9, "there are 9 renames to be cut off at"
        except Cut:
            pass
    home.make(path)  # as every start does first
    home.adopt(path)
    assert everything(path) == AFTER
