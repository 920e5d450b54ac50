"""What is promised of a home's full disk: the engine has room of its own, and begins nothing that takes more."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from origo import reserve
from origo.errors import NoRoom


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home on a disk of which as many bytes are left as the file `left` says, and those of `roots` for root alone."""
    (tmp_path / "left").write_text(str(1 << 30))
    (tmp_path / "roots").write_text("0")
    real = os.statvfs

    def statvfs(path: Path) -> object:
        if path != tmp_path:
            return real(path)
        left, roots = (int((tmp_path / name).read_text()) for name in ("left", "roots"))
        return SimpleNamespace(f_bavail=left, f_bfree=left + roots + reserve.NOBODYS, f_frsize=1)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return tmp_path


def kept_bytes(home: Path) -> int:
    file = home / reserve.FILE
    return file.stat().st_blocks * 512 if file.exists() else 0


def test_room_is_really_kept_back_and_only_the_engine_may_look(home: Path) -> None:
    reserve.keep(home)
    reserve.keep(home)
    assert kept_bytes(home) == reserve.SIZE
    assert (home / reserve.FILE).stat().st_mode & 0o777 == 0o600


def test_it_is_given_back_when_the_disk_is_full_and_kept_again_when_there_is_plenty(home: Path) -> None:
    reserve.keep(home)
    (home / "left").write_text(str(reserve.CHANGE))
    reserve.keep(home)
    assert kept_bytes(home) == reserve.SIZE, "whoever fills the disk now would have it"
    (home / "left").write_text(str(reserve.CHANGE - 1))
    reserve.keep(home)
    assert kept_bytes(home) == 0
    (home / "left").write_text(str(3 * reserve.SIZE - 1))
    reserve.keep(home)
    assert kept_bytes(home) == 0, "it would fill the disk again"
    (home / "left").write_text(str(3 * reserve.SIZE))
    reserve.keep(home)
    assert kept_bytes(home) == reserve.SIZE


def test_it_is_not_given_while_the_file_system_still_has_room_for_root(home: Path) -> None:
    reserve.keep(home)
    (home / "left").write_text("0")
    (home / "roots").write_text(str(reserve.CHANGE))
    reserve.keep(home)
    reserve.before_a_change(home)
    assert kept_bytes(home) == reserve.SIZE and reserve.is_full(home)


def test_on_a_full_disk_begins_only_what_takes_no_room(home: Path) -> None:
    reserve.admit(home, "images.create", 1)
    (home / "left").write_text(str(3 << 20))
    with pytest.raises(NoRoom, match="cannot begin images.create: the engine's own disk is full, 3 MiB are left"):
        reserve.admit(home, "images.create", 1)
    reserve.admit(home, "images.purge", -1)
    reserve.admit(home, "servers.stop", 0)


def test_a_disk_stays_full_while_what_was_kept_back_is_in_use(home: Path) -> None:
    reserve.keep(home)
    (home / "left").write_text(str(3 << 20))
    reserve.keep(home)
    (home / "left").write_text(str(reserve.SIZE + (3 << 20)))
    with pytest.raises(NoRoom):
        reserve.admit(home, "images.create", 1)
    (home / "left").write_text(str(3 * reserve.SIZE))
    reserve.admit(home, "images.create", 1)


def test_what_a_start_was_killed_with_or_had_no_room_for_does_not_stay(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_over = home / f"{reserve.FILE}.new"
    left_over.write_bytes(b"room")
    (home / "left").write_text(str(3 << 20))
    reserve.keep(home)
    assert not left_over.exists()

    def half(descriptor: int, start: int, length: int) -> None:
        os.write(descriptor, b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", half)
    (home / "left").write_text(str(3 * reserve.SIZE))
    reserve.keep(home)
    assert not left_over.exists() and kept_bytes(home) == 0


def test_a_change_gets_what_was_kept_back_only_when_there_is_hardly_anything_else(home: Path) -> None:
    reserve.keep(home)
    (home / "left").write_text(str(reserve.CHANGE))
    reserve.before_a_change(home)
    assert kept_bytes(home) == reserve.SIZE
    (home / "left").write_text(str(reserve.CHANGE - 1))
    reserve.before_a_change(home)
    assert kept_bytes(home) == 0
    reserve.before_a_change(home)
    reserve.before_a_change(home / "gone")
