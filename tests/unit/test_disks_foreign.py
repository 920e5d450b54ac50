"""Image files from outside: what is not one plain, whole image gets a sentence, and nothing in it is ever followed."""

import os
import socket
import stat
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycdlib.pycdlib import PyCdlib

from origo import disks
from origo.disks import magic
from origo.errors import BadImage, NoRoom, NotFound, OrigoError
from origo.host import Job, LocalHost, job

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
HOST = LocalHost()
USER = "nobody"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox for another user takes root")


def qemu_img(*words: object) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def examine(path: Path, room_bytes: int = 100 * GIB) -> disks.DiskFacts:
    return disks.examine(HOST, str(path), user=USER, room_bytes=room_bytes)


def refused(path: Path, words: str) -> BadImage:
    """The file is refused with a sentence that has these words."""
    with pytest.raises(BadImage, match=words) as failure:
        examine(path)
    assert failure.value.message.startswith(f"cannot import image {path.name}: ")
    return failure.value


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A qcow2 image with 4 MiB of data."""
    path = tmp_path / "whole.qcow2"
    qemu_img("create", "-f", "qcow2", path, "64M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 5 0 4M", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw disk with a partition table's signature."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(510) + b"\x55\xaa" + b"r" * (MIB - 512))
    return path


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    path = tmp_path / "disk.iso"
    image = PyCdlib()
    image.new()
    image.write(str(path))
    image.close()
    return path


def test_a_whole_image_is_known_by_its_facts(whole: Path) -> None:
    facts = examine(whole)
    assert (facts.format, facts.size_bytes, facts.backing, facts.data_file) == ("qcow2", 64 * MIB, None, None)


@pytest.mark.parametrize("target_format", ["qcow2", "raw"])
def test_a_whole_image_is_imported(whole: Path, target_format: str) -> None:
    target = whole.parent / "target"
    before = whole.read_bytes()
    seen: list[float] = []
    facts = examine(whole)
    with job(Job("import", report=lambda fraction, text: seen.append(fraction))):
        disks.import_file(HOST, str(whole), str(target), facts=facts, user=USER, target_format=target_format)
    assert seen[-1] == 1
    assert whole.read_bytes() == before
    ours = disks.inspect(HOST, str(target), format=target_format)
    assert (ours.size_bytes, ours.backing) == (64 * MIB, None)
    read = ["qemu-io", "-f", target_format, "-c", "read -P 5 0 4M", str(target)]
    assert b"failed" not in subprocess.run(read, check=True, capture_output=True).stdout
    assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o600)
    whole.unlink()
    disks.import_file(HOST, str(whole), str(target), facts=facts, user=USER, target_format=target_format)


@pytest.mark.parametrize("name", ["raw", "iso"])
def test_raw_disks_and_isos_are_imported_byte_by_byte(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    source: Path = request.getfixturevalue(name)
    facts = examine(source)
    assert (facts.format, facts.size_bytes) == (name, source.stat().st_size)
    target = tmp_path / "target"
    disks.import_file(HOST, str(source), str(target), facts=facts, user=USER, target_format="raw")
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    "backing",
    [
        "/etc/passwd",
        'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}',
        "nbd://127.0.0.1:1/x",
        "fat:/etc",
    ],
)
def test_a_backing_file_is_refused_and_not_opened(tmp_path: Path, backing: str) -> None:
    path = tmp_path / "evil.qcow2"
    qemu_img("create", "-f", "qcow2", "-u", "-b", backing, "-F", "raw", path, "64M")
    error = refused(path, r"it refers to another file \(")
    assert error.hint
    if backing.startswith("/"):
        assert error.message == "cannot import image evil.qcow2: it refers to another file (/etc/passwd)"


def test_a_backing_file_is_not_connected_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        path = tmp_path / "evil.qcow2"
        where = f"nbd://127.0.0.1:{server.getsockname()[1]}/x"
        qemu_img("create", "-f", "qcow2", "-u", "-b", where, "-F", "raw", path, "64M")
        refused(path, "refers to another file")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("raw_layout", ["on", "off"])
def test_a_data_file_is_refused(tmp_path: Path, raw_layout: str) -> None:
    path = tmp_path / "evil.qcow2"
    data = tmp_path / "data"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={data},data_file_raw={raw_layout}", path, "64M")
    refused(path, r"data")


@pytest.mark.parametrize("keep", [3, 4, 72, 100, 65536, 200_000, 3 * MIB])
def test_a_truncated_qcow2_is_refused(whole: Path, keep: int) -> None:
    with whole.open("r+b") as file:
        file.truncate(keep)
    refused(whole, r"cut off|no disk image|header|version|L1 table|refcount")


def test_a_truncated_iso_is_refused(iso: Path) -> None:
    with iso.open("r+b") as file:
        file.truncate(iso.stat().st_size - 2048)
    refused(iso, "cut off: 2 KiB are missing")


def test_a_truncated_raw_disk_is_refused(raw: Path, tmp_path: Path) -> None:
    with raw.open("ab") as file:
        file.write(b"x")
    refused(raw, "cut off")
    partitioned = tmp_path / "gpt.img"
    header = b"EFI PART" + bytes(24) + struct.pack("<Q", 4095)
    partitioned.write_bytes(bytes(510) + b"\x55\xaa" + header.ljust(512, b"\0") + bytes(MIB))
    refused(partitioned, "cut off")


def test_a_disk_larger_than_the_room_is_told_before_anything_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "sparse.img"
    path.write_bytes(bytes(510) + b"\x55\xaa")
    os.truncate(path, TIB)
    with pytest.raises(NoRoom, match=r"sparse.img: it is a disk of 1 TiB, and there is room for 100 GiB"):
        examine(path)
    facts = examine(path, room_bytes=2 * TIB)
    assert facts.size_bytes == TIB
    assert facts.allocated_bytes < MIB


@pytest.mark.parametrize("size", [1 << 60, (1 << 63) - 512, (1 << 64) - 512])
def test_an_absurd_size_is_refused(whole: Path, size: int) -> None:
    with whole.open("r+b") as file:
        file.seek(24)
        file.write(struct.pack(">Q", size))
    refused(whole, "image whole.qcow2: ")


def test_a_disk_of_petabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.qcow2"
    qemu_img("create", "-f", "qcow2", "-o", "cluster_size=2M", path, "60P")
    refused(path, r"it claims to be a disk of 60 PiB")


def test_an_encrypted_image_is_refused(whole: Path) -> None:
    with whole.open("r+b") as file:
        file.seek(32)
        file.write(struct.pack(">I", 1))
    refused(whole, "it is encrypted")


@pytest.mark.parametrize("format", ["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"])
def test_other_formats_are_named_with_a_hint(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"disk.{format}"
    qemu_img("create", "-f", format, path, "64M")
    error = refused(path, "it is a [A-Z][A-Za-z]+ image")
    assert "qemu-img convert" in error.hint


def test_a_vmdk_descriptor_that_names_a_foreign_extent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.vmdk"
    path.write_text('# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n')
    refused(path, "only names other files")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"hello\n", "no disk image"),
        (b"hello world " * 128, "no disk image"),
        (b"\x1f\x8b\x08" + bytes(600), "compressed"),
        (b"<!DOCTYPE html>".ljust(1024), "no disk image"),
        (b"QFI\xfb", "qcow2 version"),
        (b"QFI\xfb" + b"\xff" * 2000, "qcow2"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    refused(path, words)


def test_only_regular_files_are_looked_at(whole: Path, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(whole)
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path, Path("/dev/zero")):
        refused(path, "it is no regular file")
    with pytest.raises(NotFound):
        examine(tmp_path / "absent")


def test_a_file_that_the_user_may_not_read_is_told_how_to_allow_it(whole: Path) -> None:
    whole.chmod(0o600)
    error = refused(whole, "nobody may not read it")
    assert error.hint == f"allow it with: chmod o+r {whole}"


def test_a_file_swapped_after_it_was_examined_is_refused(whole: Path, tmp_path: Path) -> None:
    facts = examine(whole)
    secret = tmp_path / "secret"
    secret.write_bytes(whole.read_bytes())
    whole.unlink()
    whole.symlink_to(secret)
    target = tmp_path / "target"
    with pytest.raises(BadImage, match="it was replaced meanwhile"):
        disks.import_file(HOST, str(whole), str(target), facts=facts, user=USER)
    assert target.stat().st_mode & stat.S_ISVTX


@pytest.mark.parametrize("backing", ["/etc/passwd", "/proc/self/environ", "/target"])
def test_a_header_changed_after_it_was_examined_reaches_nothing(whole: Path, tmp_path: Path, backing: str) -> None:
    """The writer keeps the file, so that it is the same one: only the sandbox stands between."""
    facts = examine(whole)
    qemu_img("rebase", "-u", "-b", backing, "-F", "raw", whole)
    target = tmp_path / "target"
    try:
        disks.import_file(HOST, str(whole), str(target), facts=facts, user=USER, target_format="raw")
    except OrigoError as error:
        assert error.message.startswith("cannot import image whole.qcow2: ")
    assert b"root:x:0" not in target.read_bytes()


class Overpowered(LocalHost):
    """A machine whose sandbox a file has overpowered: it leaves an image that shows a file of the machine."""

    def __init__(self, target: Path, words: list[str]) -> None:
        super().__init__()
        self.target = target
        self.words = words

    def stream(self, argv, on_line, **more):  # type: ignore[no-untyped-def]
        qemu_img("create", "-f", "qcow2", *self.words, self.target, "64M")


@pytest.mark.parametrize("other", ["backing", "data file"])
def test_what_comes_out_of_the_sandbox_is_not_believed_either(whole: Path, tmp_path: Path, other: str) -> None:
    facts, target = examine(whole), tmp_path / "target"
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 100)
    words = ["-u", "-b", str(secret), "-F", "raw"] if other == "backing" else ["-o", f"data_file={secret}"]
    with pytest.raises(BadImage, match="^cannot import image "):
        disks.import_file(Overpowered(target, words), str(whole), str(target), facts=facts, user=USER)
    assert target.stat().st_mode & stat.S_ISVTX, "it is not finished, so that nothing uses it"


def test_a_full_pool_in_the_middle_of_an_import_is_told(whole: Path, tmp_path: Path) -> None:
    """The limit on the file's size stands for the pool's end; both end the copy in its middle."""
    facts = examine(whole)
    small = disks.DiskFacts("qcow2", 0, 0, identity=facts.identity)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 64M", str(whole)], check=True, capture_output=True)
    qemu_img("resize", whole, "512M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 512M", str(whole)], check=True, capture_output=True)
    with pytest.raises(BadImage, match="^cannot import image whole.qcow2: "):
        disks.import_file(HOST, str(whole), str(tmp_path / "target"), facts=small, user=USER)
    assert (tmp_path / "target").stat().st_size <= 65 * MIB


def mutate(path: Path, whole: bytes, changes: list[tuple[int, int]]) -> str:
    """What examining the image says after these bytes of it were changed; empty if it is taken."""
    data = bytearray(whole)
    for offset, value in changes:
        data[offset] = value
    path.write_bytes(data)
    try:
        facts = examine(path)
    except (BadImage, NoRoom) as error:
        assert error.message.startswith(f"cannot import image {path.name}: ")
        assert error.message.isprintable()
        return error.message
    assert (facts.backing, facts.data_file, facts.encrypted) == (None, None, False)
    return ""


HEADER = st.integers(0, 600)
TABLES = st.integers(0, 5 * (64 << 10) - 1)


@settings(max_examples=40, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HEADER | TABLES, st.integers(0, 255)), min_size=1, max_size=6))
def test_a_mutated_image_is_taken_or_refused_with_a_sentence(whole: Path, changes: list[tuple[int, int]]) -> None:
    mutate(whole.parent / "mutated.qcow2", whole.read_bytes(), changes)


def test_mutations_lead_to_many_different_sentences(whole: Path) -> None:
    """Each byte of the header's first fields turned over, one at a time: the test above is about something."""
    data = whole.read_bytes()
    path = whole.parent / "mutated.qcow2"
    said = {mutate(path, data, [(offset, data[offset] ^ 0x81)]) for offset in range(4, 104, 3)}
    assert len(said) > 8
    assert "" in said


@given(st.binary(max_size=3000), st.binary(max_size=512), st.integers(1, 1 << 62))
def test_any_bytes_are_a_known_kind_or_refused(head: bytes, tail: bytes, size: int) -> None:
    try:
        assert magic.recognise(head, tail, size, "cannot import image x").format in ("qcow2", "raw", "iso")
    except BadImage as error:
        assert error.message.startswith("cannot import image x: it is")


def test_imports_run_side_by_side(whole: Path, tmp_path: Path) -> None:
    facts = examine(whole)
    targets = [tmp_path / f"target{number}" for number in range(4)]
    threads = [
        threading.Thread(
            target=disks.import_file, args=(HOST, str(whole), str(target)), kwargs={"facts": facts, "user": USER}
        )
        for target in targets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(disks.inspect(HOST, str(target)).size_bytes == 64 * MIB for target in targets)
