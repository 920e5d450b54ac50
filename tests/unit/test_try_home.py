"""The home of a trial: taken by one at a time, never made of something else, never removed unless it is surely ours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.trial import home
from origo.errors import Conflict, NotFound
from tests.house.source import ROOT


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user whom guests run as can reach, which pytest's own are not."""
    path = Path("/tmp", f"origo-try-test-{os.getpid()}")  # noqa: S108
    path.mkdir(mode=0o755)
    path.chmod(0o755)
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


def test_a_new_home_is_marked_and_an_old_one_is_known(open_folder: Path) -> None:
    path = open_folder / "home"
    assert home.make(path) is True
    assert home.is_trial(path)
    assert home.make(path) is False


def test_a_folder_with_something_else_in_it_is_refused(open_folder: Path) -> None:
    (open_folder / "letter.txt").touch()
    with pytest.raises(Conflict, match="cannot use .* it holds files of something else"):
        home.make(open_folder)
    assert [path.name for path in open_folder.iterdir()] == ["letter.txt"]


def test_a_home_that_guests_cannot_reach_is_refused(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Conflict, match=f"{closed} is closed to the user that guests run as"):
        home.make(closed / "home")


def test_a_home_too_deep_for_sockets_is_refused(open_folder: Path) -> None:
    with pytest.raises(Conflict, match="more than 60 characters"):
        home.make(open_folder / ("x" * 60))


HOLD = """
import sys, time
from pathlib import Path
from appliance.trial import home
with home.taken(Path(sys.argv[1])):
    try:
        print("taken", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def other(open_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process whose trial runs there; SIGTERM ends it as it does the real one."""
    home.make(open_folder)
    script = f"import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)\n{HOLD}"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(open_folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_start_is_refused_with_the_process_that_is_in_the_way(
    open_folder: Path, other: subprocess.Popen[str]
) -> None:
    with pytest.raises(Conflict, match=f"a trial runs there already .process {other.pid}"), home.taken(open_folder):
        pass
    with pytest.raises(Conflict, match=f"cannot remove .* a trial runs there .process {other.pid}"):
        home.remove(open_folder)


def test_down_ends_it_from_elsewhere(open_folder: Path, other: subprocess.Popen[str]) -> None:
    assert home.end(open_folder) is True
    assert other.wait(5) == 0
    assert home.end(open_folder) is False


def test_a_killed_trial_does_not_keep_its_home(open_folder: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert home.holder(open_folder) is None
    with home.taken(open_folder):
        assert home.holder(open_folder) == os.getpid()


def test_only_a_marked_folder_is_removed(open_folder: Path) -> None:
    (open_folder / "letter.txt").touch()
    with pytest.raises(NotFound, match="cannot find a trial in"):
        home.remove(open_folder)
    assert (open_folder / "letter.txt").exists()


def test_a_mount_point_is_not_removed(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.make(open_folder)
    for mounted in (open_folder, open_folder / "pools" / "0"):
        monkeypatch.setattr(home, "mount_points", lambda mounted=mounted: [Path("/"), mounted])
        with pytest.raises(Conflict, match=f"{mounted} is a mount point"):
            home.remove(open_folder)
    assert open_folder.exists()


def test_what_is_mounted_is_known() -> None:
    assert {Path("/"), Path("/proc")} <= set(home.mount_points())


def test_a_home_is_removed_with_all_that_is_in_it_and_nothing_beside_it(open_folder: Path) -> None:
    path = open_folder / "home"
    home.make(path)
    beside = open_folder / "beside.txt"
    beside.touch()
    (path / "link").symlink_to(beside)
    (path / "folder").symlink_to(open_folder)
    home.remove(path)
    assert [left.name for left in open_folder.iterdir()] == ["beside.txt"]
