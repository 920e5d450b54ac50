"""Images of our own: made, joined, copied, grown; whatever was cut off is done again."""

import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from origo import disks
from origo.errors import BadImage, Cancelled, Conflict, NoRoom, NotFound
from origo.host import Job, LocalHost, job

MIB = 1 << 20
HOST = LocalHost()


def write(path: Path, pattern: int, offset: int, size: int, format: str = "qcow2") -> None:
    """Write as a guest would."""
    argv = ["qemu-io", "-f", format, "-c", f"write -P {pattern} {offset} {size}", str(path)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def holds(path: Path, pattern: int, offset: int, size: int, format: str = "qcow2") -> bool:
    """Whether a guest would read that."""
    argv = ["qemu-io", "-f", format, "-c", f"read -P {pattern} {offset} {size}", str(path)]
    return b"Pattern verification failed" not in subprocess.run(argv, check=True, capture_output=True).stdout


@pytest.fixture
def master(tmp_path: Path) -> Path:
    path = tmp_path / "master.qcow2"
    disks.create(HOST, str(path), 64 * MIB)
    write(path, 7, 0, MIB)
    return path


@pytest.fixture
def child(master: Path) -> Path:
    path = master.parent / "child.qcow2"
    disks.create_child(HOST, str(path), str(master))
    return path


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_a_blank_image_has_its_format_and_size(tmp_path: Path, format: str) -> None:
    path = tmp_path / "blank"
    disks.create(HOST, str(path), 64 * MIB, format=format)
    facts = disks.inspect(HOST, str(path), format=format)
    assert (facts.format, facts.size_bytes, facts.backing) == (format, 64 * MIB, None)
    assert facts.allocated_bytes < MIB
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_child_shows_its_master_and_takes_little_room(master: Path, child: Path) -> None:
    facts = disks.inspect(HOST, str(child))
    assert (facts.backing, facts.backing_format) == (str(master), "qcow2")
    assert (facts.size_bytes, facts.cluster_bytes, facts.extended_l2) == (64 * MIB, 128 << 10, True)
    assert facts.allocated_bytes < 2 * MIB
    assert holds(child, 7, 0, MIB)


def test_a_child_may_be_larger_than_its_master(master: Path) -> None:
    path = master.parent / "large.qcow2"
    disks.create_child(HOST, str(path), str(master), size_bytes=128 * MIB)
    assert disks.inspect(HOST, str(path)).size_bytes == 128 * MIB


def test_making_an_image_again_keeps_what_was_written_to_it(master: Path, child: Path) -> None:
    write(child, 9, 0, 4096)
    disks.create_child(HOST, str(child), str(master))
    disks.create(HOST, str(master), 64 * MIB)
    assert holds(child, 9, 0, 4096)
    assert holds(master, 7, 0, MIB)


def test_another_image_at_that_path_is_a_conflict(master: Path, child: Path) -> None:
    with pytest.raises(Conflict, match=r"^cannot create image child.qcow2: another one is there$"):
        disks.create(HOST, str(child), 64 * MIB)
    with pytest.raises(Conflict):
        disks.create(HOST, str(master), 65 * MIB)


def test_an_image_that_was_cut_off_is_made_again(master: Path) -> None:
    path = master.parent / "child.qcow2"
    path.write_bytes(b"half an image")
    path.chmod(0o1600)
    disks.create_child(HOST, str(path), str(master))
    assert disks.inspect(HOST, str(path)).backing == str(master)
    assert not path.stat().st_mode & stat.S_ISVTX


def test_a_child_of_an_absent_master_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"^cannot create image child.qcow2: .*absent.qcow2"):
        disks.create_child(HOST, str(tmp_path / "child.qcow2"), str(tmp_path / "absent.qcow2"))


def test_an_image_in_use_can_be_looked_at_but_neither_grown_nor_checked(child: Path) -> None:
    user = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", str(child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert user.stdin and user.stdout
    user.stdin.write(b"read 0 512\n")
    user.stdin.flush()
    user.stdout.readline()
    try:
        assert disks.inspect(HOST, str(child)).size_bytes == 64 * MIB
        with pytest.raises(Conflict, match="in use"):
            disks.grow(HOST, str(child), "qcow2", 65 * MIB)
        with pytest.raises(Conflict, match="in use"):
            disks.check(HOST, str(child))
    finally:
        user.communicate(b"quit\n")


@pytest.mark.parametrize("target_format", ["qcow2", "raw", "vdi"])
def test_a_copy_of_a_child_is_whole_and_in_its_own_format(master: Path, child: Path, target_format: str) -> None:
    write(child, 9, 2 * MIB, MIB)
    copy = master.parent / "copy"
    seen: list[float] = []
    with job(Job("copy", report=lambda fraction, text: seen.append(fraction))):
        disks.convert(HOST, str(child), "qcow2", str(copy), target_format, backing=str(master))
    assert seen[-1] == 1
    assert disks.inspect(HOST, str(copy), format=target_format).backing is None
    assert holds(copy, 7, 0, MIB, target_format)
    assert holds(copy, 9, 2 * MIB, MIB, target_format)
    before = copy.stat().st_mtime_ns
    disks.convert(HOST, str(child), "qcow2", str(copy), target_format, backing=str(master))
    assert copy.stat().st_mtime_ns == before


def test_a_copy_never_follows_a_header_that_somebody_changed(master: Path, child: Path) -> None:
    secret = master.parent / "secret"
    secret.write_bytes(b"s" * MIB)
    subprocess.run(["qemu-img", "rebase", "-u", "-b", str(secret), "-F", "raw", str(child)], check=True)
    for backing in (str(master), None):
        with pytest.raises(BadImage, match="refers to .*secret"):
            disks.convert(HOST, str(child), "qcow2", str(master.parent / "copy"), "raw", backing=backing)
    with pytest.raises(BadImage, match="refers to .*secret"):
        disks.flatten(HOST, str(child), backing=str(master))


def test_a_raw_disk_whose_guest_wrote_a_qcow2_header_stays_a_raw_disk(master: Path, child: Path) -> None:
    raw = master.parent / "disk.raw"
    raw.write_bytes(child.read_bytes())
    assert disks.inspect(HOST, str(raw), format="raw").backing is None
    disks.convert(HOST, str(raw), "raw", str(master.parent / "copy"), "raw")
    assert (master.parent / "copy").read_bytes()[:4] == b"QFI\xfb"


def test_a_cancelled_copy_leaves_a_file_that_is_marked_and_replaced_later(master: Path) -> None:
    cancelled = threading.Event()
    copy = master.parent / "copy"
    write(master, 1, 0, 64 * MIB)

    def report(fraction: float, text: str) -> None:
        cancelled.set()

    with pytest.raises(Cancelled), job(Job("cancelled-copy", report=report, cancelled=cancelled.is_set)):
        for _ in range(20):
            disks.convert(HOST, str(master), "qcow2", str(copy), "raw")
            copy.unlink()
    if copy.exists():
        assert copy.stat().st_mode & stat.S_ISVTX
    disks.convert(HOST, str(master), "qcow2", str(copy), "raw")
    assert holds(copy, 1, 0, 64 * MIB, "raw")


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1])
def test_a_copy_whose_daemon_was_killed_is_ended_and_made_again(master: Path, seconds: float) -> None:
    write(master, 1, 0, 64 * MIB)
    copy, group = master.parent / "copy", f"copy-{master}"
    script = (
        "import sys\nfrom origo import disks\nfrom origo.host import Job, LocalHost, job\n"
        "with job(Job(sys.argv[3])): disks.convert(LocalHost(), sys.argv[1], 'qcow2', sys.argv[2], 'raw')"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script, str(master), str(copy), group])
    while not copy.exists():
        assert daemon.poll() is None
    time.sleep(seconds)
    daemon.kill()
    daemon.wait()
    HOST.end(group)
    disks.convert(HOST, str(master), "qcow2", str(copy), "raw")
    assert holds(copy, 1, 0, 64 * MIB, "raw")
    assert not copy.stat().st_mode & stat.S_ISVTX


def test_a_flat_child_needs_its_master_no_more(master: Path, child: Path) -> None:
    write(child, 9, 2 * MIB, 4096)
    disks.flatten(HOST, str(child), backing=str(master))
    disks.flatten(HOST, str(child), backing=str(master))
    master.unlink()
    assert disks.inspect(HOST, str(child)).backing is None
    assert holds(child, 7, 0, MIB)
    assert holds(child, 9, 2 * MIB, 4096)


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_a_disk_grows_and_never_shrinks(tmp_path: Path, format: str) -> None:
    path = tmp_path / "disk"
    disks.create(HOST, str(path), 8 * MIB, format=format)
    for _ in range(2):
        disks.grow(HOST, str(path), format, 16 * MIB)
        assert disks.inspect(HOST, str(path), format=format).size_bytes == 16 * MIB
    with pytest.raises(Conflict, match=r"^cannot grow image disk to 8 MiB: it has 16 MiB$"):
        disks.grow(HOST, str(path), format, 8 * MIB)


def test_a_check_tells_sound_from_damaged(child: Path) -> None:
    write(child, 9, 0, 4 * MIB)
    assert disks.check(HOST, str(child)).corruptions == 0
    with child.open("r+b") as file:
        file.truncate(2 * MIB)
    assert disks.check(HOST, str(child)).corruptions > 0


def test_a_file_that_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for call in (disks.inspect, disks.check):
        with pytest.raises(BadImage, match=r"^cannot \w+ image text: .*not in qcow2 format"):
            call(HOST, str(tmp_path / "text"))
    with pytest.raises(NotFound):
        disks.inspect(HOST, str(tmp_path / "absent"))


def test_no_room_is_told_as_such() -> None:
    """/dev/full answers every write as a full pool does."""
    failure = None
    try:
        HOST.run(["dd", "if=/dev/zero", "of=/dev/full", "count=1"])
    except Exception as error:
        failure = disks.qemu_img.error(error, "copy", "/pools/0/images/x.qcow2")
    assert isinstance(failure, NoRoom)
    assert failure.message == "cannot copy image x.qcow2: there is no room left for it"
    assert json.dumps(failure.as_dict())
