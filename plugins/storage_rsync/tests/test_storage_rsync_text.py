"""What the driver shows and what it reads: goldens, samples, and anything at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from origo_plugins.storage_rsync import commands, parse
from origo_plugins.storage_rsync.parse import FileSystem

from origo.contracts import PoolSpec
from origo.contracts.folders import listed, read_marker
from origo.errors import Unavailable

GOLDEN = Path(__file__).parent / "golden"
ROOT = FileSystem("/", "", "ext4")
DISK = FileSystem("/mnt/disk", "abc", "xfs")


def test_what_is_shown_is_what_makes_a_pool() -> None:
    text = commands.text(commands.create(PoolSpec(1, "cellar", "/srv/a pool")))
    assert text == (GOLDEN / "create.txt").read_text()


def test_the_file_system_below_is_read() -> None:
    printed = (GOLDEN / "findmnt.json").read_bytes()
    assert parse.file_system(printed) == FileSystem("/mnt/disk", "", "ext4")


@pytest.mark.parametrize(
    ("then", "now", "sentence"),
    [
        (None, ROOT, ""),
        (ROOT, ROOT, ""),
        (DISK, DISK, ""),
        (DISK, FileSystem("/media", "abc", "xfs"), ""),
        (DISK, ROOT, "/mnt/disk is not mounted"),
        (DISK, FileSystem("/mnt", "def", "xfs"), "/mnt/disk is not mounted"),
        (DISK, FileSystem("/mnt/disk", "def", "xfs"), "another file system is mounted at /mnt/disk"),
        (DISK, FileSystem("/mnt/disk", "", "xfs"), ""),
        (DISK, FileSystem("/mnt/disk/pool", "def", "xfs"), ""),
        (ROOT, DISK, ""),
    ],
)
def test_a_lost_mount_is_told_from_a_moved_one(then: FileSystem | None, now: FileSystem, sentence: str) -> None:
    assert parse.lost(then, now) == sentence


def test_what_the_marker_remembers_is_what_was_there() -> None:
    assert parse.remembered({"id": 1, "file_system": DISK.as_dict()}) == DISK
    assert parse.remembered({"id": 1}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_that_findmnt_prints_is_read_or_refused(printed: bytes) -> None:
    try:
        assert isinstance(parse.file_system(printed), FileSystem)
    except Unavailable as error:
        assert error.message.startswith("cannot")


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_marker_is_read_or_refused(text: bytes) -> None:
    try:
        parse.remembered(read_marker(text, "/pool/pool.json"))
    except Unavailable as error:
        assert error.message == "cannot read the pool's marker /pool/pool.json: it is damaged"


@given(st.binary())
def test_whatever_a_folder_holds_is_listed_by_plain_names(out: bytes) -> None:
    for name, size in listed(out).items():
        assert "/" not in name
        assert name.encode().decode() == name
        assert size % 512 == 0
