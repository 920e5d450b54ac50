"""Clauses 15 to 22 of the contract Host: files."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from origo.errors import Conflict, NotFound, TooLarge
from origo.host import Host
from origo.testing.host_suite.base import HostSuite

ODD_NAMES = ["-f", "a b", "new\nline", "quote'd", 'quote"d', "$(id)", "ümlaut", "*", "\\n"]


class FileClauses(HostSuite):
    """Clauses 15 to 22: files."""

    def test_what_is_written_is_read(self, host: Host, scratch: str) -> None:
        """15."""
        data = bytes(range(256)) * 1000
        host.write(f"{scratch}/file", data, mode=0o640)
        assert host.read(f"{scratch}/file") == data
        assert host.stat(f"{scratch}/file").mode == 0o640
        host.write(f"{scratch}/file", b"", mode=0o600)
        assert host.read(f"{scratch}/file") == b""
        assert host.stat(f"{scratch}/file").mode == 0o600
        assert host.list(scratch) == ["file"]

    def test_a_reader_sees_the_old_or_the_new_content(self, host: Host, scratch: str) -> None:
        """15."""
        contents = [letter * 300_000 for letter in (b"a", b"b")]
        host.write(f"{scratch}/file", contents[0])
        over = threading.Event()
        seen: list[bytes] = []

        def look() -> None:
            while not over.is_set():
                seen.append(host.read(f"{scratch}/file"))

        reader = threading.Thread(target=look)
        reader.start()
        for turn in range(10):
            host.write(f"{scratch}/file", contents[turn % 2])
        over.set()
        reader.join()
        assert seen
        assert all(content in contents for content in seen)

    def test_a_link_is_replaced_not_followed_when_written(self, host: Host, scratch: str) -> None:
        """15."""
        host.write(f"{scratch}/precious", b"kept")
        host.run(["ln", "-s", "precious", f"{scratch}/link"])
        host.write(f"{scratch}/link", b"new")
        assert host.read(f"{scratch}/precious") == b"kept"
        assert host.stat(f"{scratch}/link").kind == "file"

    def test_writing_over_a_folder_or_into_none_leaves_nothing_behind(self, host: Host, scratch: str) -> None:
        """15."""
        host.make_folder(f"{scratch}/folder")
        with pytest.raises(Conflict):
            host.write(f"{scratch}/folder", b"x")
        with pytest.raises(NotFound):
            host.write(f"{scratch}/absent/file", b"x")
        assert host.list(scratch) == ["folder"]

    def test_what_a_killed_writer_left_goes_with_the_next_write_or_with_the_file(
        self, host: Host, scratch: str
    ) -> None:
        """15 and 21."""
        host.run(["sh", "-c", 'echo much more than that > "$1"', "sh", f"{scratch}/.file.new"])
        host.write(f"{scratch}/file", b"short", mode=0o600)
        assert (host.list(scratch), host.read(f"{scratch}/file")) == (["file"], b"short")
        assert host.stat(f"{scratch}/file").mode == 0o600
        host.run(["touch", f"{scratch}/.file.new", f"{scratch}/.absent.new"])
        host.remove(f"{scratch}/file")
        host.remove(f"{scratch}/absent")
        assert host.list(scratch) == []

    def test_of_many_writers_each_writes_the_whole_file(self, host: Host, scratch: str) -> None:
        """15."""
        contents = [str(number).encode() * 100_000 for number in range(8)]
        with ThreadPoolExecutor(len(contents)) as writers:
            for _ in writers.map(lambda content: host.write(f"{scratch}/file", content), contents):
                assert host.read(f"{scratch}/file") in contents
        assert host.list(scratch) == ["file"]

    def test_a_writer_and_a_remover_at_the_same_time_leave_the_whole_file_or_none(
        self, host: Host, scratch: str
    ) -> None:
        """15 and 21."""
        data = b"x" * 300_000
        with ThreadPoolExecutor(8) as both:
            written = [both.submit(host.write, f"{scratch}/file", data, mode=0o640) for _ in range(40)]
            removed = [both.submit(host.remove, f"{scratch}/file") for _ in range(40)]
            for one in [*written, *removed]:
                one.result()
        for name in host.list(scratch):
            assert (name, host.read(f"{scratch}/{name}"), host.stat(f"{scratch}/{name}").mode) == ("file", data, 0o640)

    def test_a_file_of_the_kernel_is_read(self, host: Host) -> None:
        """16. It has no size, and some refuse to be read by megabytes."""
        assert len(host.read("/proc/sys/kernel/random/boot_id")) == 37

    def test_too_large_a_file_is_not_read(self, host: Host, scratch: str) -> None:
        """16."""
        host.write(f"{scratch}/file", b"12345")
        assert host.read(f"{scratch}/file", limit=5) == b"12345"
        with pytest.raises(TooLarge):
            host.read(f"{scratch}/file", limit=4)

    def test_only_files_are_read(self, host: Host, scratch: str) -> None:
        """16."""
        host.run(["mkfifo", f"{scratch}/pipe"])
        for path in (scratch, f"{scratch}/pipe", "/dev/zero"):
            with pytest.raises(Conflict):
                host.read(path)

    def test_facts_of_files(self, host: Host, scratch: str) -> None:
        """17."""
        host.run(["truncate", "-s", "1M", f"{scratch}/sparse"])
        host.run(["ln", "-s", "/absent", f"{scratch}/link"])
        host.run(["mkfifo", f"{scratch}/pipe"])
        facts = host.stat(f"{scratch}/sparse")
        assert (facts.kind, facts.size_bytes, facts.allocated_bytes, facts.uid) == ("file", 1 << 20, 0, 0)
        assert abs(facts.modified - time.time()) < 600
        assert host.stat(f"{scratch}/link").kind == "link"
        assert host.stat(f"{scratch}/pipe").kind == "other"
        assert host.stat(scratch).kind == "folder"
        host.run(["ln", f"{scratch}/sparse", f"{scratch}/same"])
        assert host.stat(f"{scratch}/same").identity == facts.identity != host.stat(scratch).identity
        assert host.exists(f"{scratch}/link")
        assert not host.exists(f"{scratch}/absent")

    def test_odd_names_are_only_names(self, host: Host, scratch: str) -> None:
        """18."""
        for name in ODD_NAMES:
            host.write(f"{scratch}/{name}", name.encode())
        assert host.list(scratch) == sorted(ODD_NAMES)
        for name in ODD_NAMES:
            assert host.read(f"{scratch}/{name}") == name.encode()
            host.rename(f"{scratch}/{name}", f"{scratch}/{name}.moved")
            assert host.stat(f"{scratch}/{name}.moved").kind == "file"
            host.remove(f"{scratch}/{name}.moved")
        assert host.list(scratch) == []

    def test_what_is_absent_is_not_found(self, host: Host, scratch: str) -> None:
        """19."""
        host.write(f"{scratch}/file", b"")
        for absent in (f"{scratch}/absent", f"{scratch}/file/below"):
            calls: list[Callable[[], object]] = [
                partial(host.read, absent),
                partial(host.stat, absent),
                partial(host.list, absent),
                partial(host.space, absent),
                partial(host.protect, absent, mode=0o600),
                partial(host.rename, absent, f"{scratch}/other"),
            ]
            for call in calls:
                with pytest.raises(NotFound, match="^cannot .*absent|^cannot .*below"):
                    call()
            host.remove(absent)
        with pytest.raises(NotFound):
            host.list(f"{scratch}/file")
        with pytest.raises(NotFound):
            host.rename(f"{scratch}/file", f"{scratch}/absent/file")

    def test_a_folder_is_made_with_those_above_it(self, host: Host, scratch: str) -> None:
        """20."""
        host.make_folder(f"{scratch}/a/b/c", mode=0o700)
        assert host.stat(f"{scratch}/a/b/c").mode == 0o700
        host.make_folder(f"{scratch}/a/b/c", mode=0o711)
        assert host.stat(f"{scratch}/a/b/c").mode == 0o711
        assert host.stat(f"{scratch}/a").mode == 0o755
        host.write(f"{scratch}/file", b"")
        with pytest.raises(Conflict):
            host.make_folder(f"{scratch}/file")

    def test_a_rename_replaces_its_target(self, host: Host, scratch: str) -> None:
        """21."""
        host.write(f"{scratch}/new", b"new")
        host.write(f"{scratch}/old", b"old")
        host.rename(f"{scratch}/new", f"{scratch}/old")
        assert host.read(f"{scratch}/old") == b"new"
        assert host.list(scratch) == ["old"]
        host.rename(f"{scratch}/old", f"{scratch}/old")
        assert host.list(scratch) == ["old"]

    def test_a_rename_never_copies_to_another_file_system(self, host: Host, scratch: str) -> None:
        """21."""
        host.write(f"{scratch}/file", b"kept")
        with pytest.raises(Conflict):
            host.rename(f"{scratch}/file", f"/dev/shm/{uuid.uuid4().hex}")  # noqa: S108 - another file system
        assert host.read(f"{scratch}/file") == b"kept"

    def test_only_empty_folders_are_removed(self, host: Host, scratch: str) -> None:
        """21."""
        host.write(f"{scratch}/file", b"kept")
        host.run(["ln", "-s", scratch, f"{scratch}/link"])
        host.remove(f"{scratch}/link")
        assert host.read(f"{scratch}/file") == b"kept"
        with pytest.raises(Conflict):
            host.remove(scratch)
        host.remove(f"{scratch}/file")
        host.remove(scratch)
        host.remove(scratch)
        assert not host.exists(scratch)
        host.make_folder(scratch)

    def test_owner_and_mode_are_set_but_not_through_links(self, host: Host, scratch: str) -> None:
        """22."""
        host.write(f"{scratch}/file", b"")
        host.protect(f"{scratch}/file", mode=0o440, user=self.user)
        facts = host.stat(f"{scratch}/file")
        assert (facts.mode, facts.uid) == (0o440, int(host.run(["id", "-u", self.user]).text))
        host.protect(f"{scratch}/file", mode=0o600)
        assert host.stat(f"{scratch}/file").uid == facts.uid
        host.run(["ln", "-s", "file", f"{scratch}/link"])
        with pytest.raises(Conflict):
            host.protect(f"{scratch}/link", mode=0o777)
        assert host.stat(f"{scratch}/file").mode == 0o600

    def test_room_is_told(self, host: Host, scratch: str) -> None:
        """22."""
        room = host.space(scratch)
        assert 0 < room.free_bytes <= room.total_bytes
