"""What every Host must keep: subclass `HostSuite`, give the fixtures `host` and `scratch`, run pytest.

Numbers are those of the clauses in docs/reference/contract-host.md.
"""

import shlex
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from origo.errors import Cancelled, CommandFailed, Conflict, NotFound, TooLarge
from origo.host import Host, Job, Limits, job

ODD_WORDS = [
    "a b",
    "",
    "-n",
    "--",
    "$(id)",
    "`id`",
    "$HOME",
    "'",
    '"',
    "\\",
    "*",
    ";",
    "&",
    "|",
    "new\nline",
    "é€",
    "~",
]
ODD_NAMES = ["-f", "a b", "new\nline", "quote'd", 'quote"d', "$(id)", "ümlaut", "*", "\\n"]


class HostSuite:
    """Clauses of the contract Host. Needs root on the host; only what is below `scratch` is changed."""

    user = "nobody"
    """Somebody unprivileged there."""

    @pytest.fixture
    def host(self) -> Host:
        """The host to try."""
        raise NotImplementedError

    @pytest.fixture
    def scratch(self) -> str:
        """The path of an empty folder there, on a file system with a few free MiB, that everybody may enter."""
        raise NotImplementedError

    @pytest.fixture
    def mark(self, host: Host) -> Iterator[str]:
        """A word in the argv of processes to find again; what carries it is ended after the test."""
        word = f"mark-{uuid.uuid4().hex[:12]}"
        yield word
        host.run(["pkill", "-KILL", "-f", word], check=False)

    def sleeper(self, mark: str, before: str = "") -> list[str]:
        """A command that stays, findable by `mark`."""
        return ["sh", "-c", f"{before} while true; do sleep 1; done", mark]

    def in_background(self, mark: str, before: str = "") -> list[str]:
        """A command that returns at once and leaves a process in a session of its own behind."""
        argv = shlex.join(self.sleeper(mark, before))
        return ["sh", "-c", f"setsid {argv} >/dev/null 2>&1 </dev/null &"]

    def alive(self, host: Host, mark: str) -> int:
        """How many processes carry the mark."""
        pattern = f"[{mark[0]}]{mark[1:]}"  # which does not match the words of this very search
        return len(host.run(["pgrep", "-f", pattern], check=False).text.split())

    def wait_alive(self, host: Host, mark: str, count: int = 1) -> None:
        """Wait until that many processes carry the mark."""
        deadline = time.monotonic() + 10
        while self.alive(host, mark) < count:
            assert time.monotonic() < deadline, "the process to end did not start"
            time.sleep(0.05)


class CommandClauses(HostSuite):
    """Clauses 1 to 14: commands and groups."""

    def test_a_command_gives_status_and_both_outputs(self, host: Host) -> None:
        """1."""
        result = host.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
        assert (result.code, result.out, result.err) == (3, b"out\n", b"err\n")
        assert result.argv[0] == "sh"

    @pytest.mark.parametrize("size", [1, 65536, 3_000_001])
    def test_input_reaches_the_command_whole(self, host: Host, size: int) -> None:
        """1."""
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert host.run(["cat"], input=data).out == data

    def test_a_command_that_leaves_its_input_alone_is_no_failure(self, host: Host) -> None:
        """1."""
        assert host.run(["true"], input=b"x" * 2_000_000).code == 0

    def test_arguments_arrive_as_they_are(self, host: Host) -> None:
        """2."""
        result = host.run(["printf", "%s\\0", *ODD_WORDS])
        assert result.out.decode().split("\0")[:-1] == ODD_WORDS

    def test_a_bad_status_is_told_with_the_last_line_the_command_printed(self, host: Host) -> None:
        """3."""
        with pytest.raises(CommandFailed) as failure:
            host.run(["sh", "-c", "echo first >&2; echo the disk is on fire >&2; exit 4"])
        assert failure.value.message.startswith("cannot run sh")
        assert failure.value.message.endswith("the disk is on fire")
        assert failure.value.details["code"] == 4
        assert failure.value.details["argv"][0] == "sh"

    @pytest.mark.parametrize("check", [True, False])
    @pytest.mark.parametrize("limits", [None, Limits(cpu_seconds=9)])
    def test_a_command_that_does_not_exist_is_told(self, host: Host, check: bool, limits: Limits | None) -> None:
        """3."""
        with pytest.raises(CommandFailed, match=r"^cannot run no-such-thing.*: there is no such command$"):
            host.run(["no-such-thing"], check=check, limits=limits)

    def test_statuses_up_to_255_are_the_commands_own(self, host: Host) -> None:
        """3."""
        assert host.run(["sh", "-c", "exit 255"], check=False).code == 255
        assert host.run(["sh", "-c", "exit 127"], check=False).code == 127

    def test_the_environment_is_minimal(self, host: Host) -> None:
        """4."""
        lines = host.run(["env"], env={"ODD": "a b'$"}).text.splitlines()
        variables = dict(line.split("=", 1) for line in lines)
        assert set(variables) == {"ORIGO_GROUP", "PATH", "LC_ALL", "ODD"}
        assert variables["ODD"] == "a b'$"
        assert variables["LC_ALL"] == "C.UTF-8"

    def test_a_command_starts_in_the_root_folder_without_other_open_files(self, host: Host) -> None:
        """4."""
        assert host.run(["pwd"]).text == "/\n"
        assert host.run(["sh", "-c", "ls /proc/$$/fd"]).text.split() == ["0", "1", "2"]

    def test_another_user_has_neither_groups_nor_capabilities(self, host: Host) -> None:
        """5."""
        assert host.run(["id", "-un"], user=self.user).text.strip() == self.user
        status = host.run(["cat", "/proc/self/status"], user=self.user).text
        facts = dict(line.split(":", 1) for line in status.splitlines())
        assert facts["Groups"].strip() == ""
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(facts[name], 16) == 0
        assert facts["NoNewPrivs"].strip() == "1"

    def test_an_unknown_user_is_told(self, host: Host) -> None:
        """5."""
        with pytest.raises(CommandFailed, match="no such user"):
            host.run(["true"], user="no-such-user")

    def test_limits_hold(self, host: Host, scratch: str) -> None:
        """6."""
        limits = Limits(memory_bytes=512 << 20, cpu_seconds=7, file_bytes=1 << 20)
        asked = "ulimit -v; ulimit -t; ulimit -f; ulimit -c"
        kibibytes, seconds, blocks, core = host.run(["bash", "-c", asked], limits=limits).text.split()
        assert (kibibytes, seconds, blocks, core) == (str(512 << 10), "7", str(1 << 10), "0")
        argv = ["dd", "if=/dev/zero", f"of={scratch}/large", "bs=64K", "count=64", "status=none"]
        assert host.run(argv, limits=limits, check=False).code != 0
        assert host.stat(f"{scratch}/large").size_bytes == 1 << 20

    def test_too_long_a_command_is_ended_with_all_it_started(self, host: Host, mark: str) -> None:
        """7."""
        began = time.monotonic()
        with pytest.raises(CommandFailed, match="longer than"):
            host.run(["sh", "-c", f"sh -c 'while true; do sleep 1; done' {mark} & wait", mark], timeout=1)
        assert time.monotonic() - began < 10
        assert self.alive(host, mark) == 0

    def test_endless_output_ends_the_command_not_the_memory(self, host: Host, mark: str) -> None:
        """8."""
        with pytest.raises(CommandFailed, match="printed more than"):
            host.run(["sh", "-c", "yes", mark], timeout=50)
        assert self.alive(host, mark) == 0
        assert len(host.run(["sh", "-c", "head -c 3000000 /dev/zero >&2; echo end >&2"]).err) < 100_000

    def test_a_command_is_over_when_it_ends_though_it_left_something_running(self, host: Host, mark: str) -> None:
        """9."""
        began = time.monotonic()
        host.run(self.in_background(mark))
        assert time.monotonic() - began < 5

    def test_lines_are_handed_over_when_they_are_printed(self, host: Host) -> None:
        """10."""
        lines: list[tuple[float, str]] = []
        script = "echo one; sleep 1; printf 'two\\rthree\\r'; echo four >&2; printf five"
        host.stream(["sh", "-c", script], lambda line: lines.append((time.monotonic(), line)))
        assert [line for _, line in lines] == ["one", "two", "three", "four", "five"]
        assert lines[1][0] - lines[0][0] > 0.5

    def test_a_long_command_gives_way_to_others(self, host: Host) -> None:
        """10."""
        lines: list[str] = []
        host.stream(["sh", "-c", "nice; ionice"], lines.append)
        assert lines == ["10", "best-effort: prio 7"]

    def test_a_line_without_end_is_cut_not_kept(self, host: Host) -> None:
        """10."""
        sizes: list[int] = []
        host.stream(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"], lambda line: sizes.append(len(line)))
        assert sum(sizes) == 1_000_000
        assert max(sizes) < 200_000

    def test_a_failed_long_command_tells_its_last_lines(self, host: Host) -> None:
        """10."""
        with pytest.raises(CommandFailed) as failure:
            host.stream(["sh", "-c", "echo copying; echo no more room; exit 1"], lambda line: None)
        assert failure.value.message.endswith("no more room")
        assert "copying" in failure.value.details["error"]

    def test_an_error_of_the_listener_ends_the_command(self, host: Host, mark: str) -> None:
        """10."""

        def refuse(line: str) -> None:
            raise RuntimeError(line)

        with pytest.raises(RuntimeError, match="go"):
            host.stream(["sh", "-c", "echo go; while true; do sleep 1; done", mark], refuse)
        assert self.alive(host, mark) == 0

    def test_a_pipe_carries_everything(self, host: Host, scratch: str) -> None:
        """11."""
        host.pipe(["head", "-c", "2000000", "/dev/zero"], host, ["dd", f"of={scratch}/copy", "status=none"])
        assert host.stat(f"{scratch}/copy").size_bytes == 2_000_000

    def test_a_pipe_fails_when_its_source_fails(self, host: Host) -> None:
        """11."""
        with pytest.raises(CommandFailed, match="source is broken"):
            host.pipe(["sh", "-c", "echo source is broken >&2; exit 1"], host, ["cat"])

    def test_a_pipe_fails_with_the_reason_of_its_target(self, host: Host) -> None:
        """11."""
        with pytest.raises(CommandFailed, match="target is broken"):
            host.pipe(["cat", "/dev/zero"], host, ["sh", "-c", "echo target is broken >&2; exit 1"])

    def test_processes_carry_the_group_of_the_job(self, host: Host) -> None:
        """12."""
        with job(Job("operation/7/3")):
            assert host.run(["sh", "-c", "echo $ORIGO_GROUP"]).text == "operation/7/3\n"

    def test_ending_a_group_ends_all_of_it_and_nothing_else(self, host: Host, mark: str) -> None:
        """13."""
        group = f"group-{mark}"
        with job(Job(group)):
            host.run(self.in_background(f"ends-{mark}"))
            host.run(self.in_background(f"ends-{mark}", before='trap "" TERM;'))
            host.run(self.in_background(f"ends-{mark}"), user=self.user)
        with job(Job(f"{group}0")):
            host.run(self.in_background(f"stays-{mark}"))
        self.wait_alive(host, f"ends-{mark}", 3)
        host.end(group)
        assert self.alive(host, f"ends-{mark}") == 0
        assert self.alive(host, f"stays-{mark}") == 1
        host.end(group)

    def test_a_group_without_processes_ends_quickly(self, host: Host) -> None:
        """13."""
        host.end("nobody-has-this")
        began = time.monotonic()
        host.end("nobody-has-this")
        assert time.monotonic() - began < 1

    def test_the_empty_group_is_refused(self, host: Host) -> None:
        """13."""
        with pytest.raises(ValueError, match="name"):
            host.end("")

    @pytest.mark.parametrize("way", ["run", "stream", "pipe"])
    def test_a_cancelled_job_ends_its_commands(self, host: Host, mark: str, way: str) -> None:
        """14."""
        cancelled = threading.Event()
        argv = self.sleeper(mark)
        ways: dict[str, Callable[[], object]] = {
            "run": lambda: host.run(argv),
            "stream": lambda: host.stream(argv, lambda line: None),
            "pipe": lambda: host.pipe(argv, host, ["cat"]),
        }
        timer = threading.Timer(0.7, cancelled.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(Cancelled), job(Job(f"cancel-{mark}", cancelled=cancelled.is_set)):
            ways[way]()
        timer.join()
        assert time.monotonic() - began < 10
        assert self.alive(host, mark) == 0


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


class HostClauses(CommandClauses, FileClauses):
    """All clauses."""
