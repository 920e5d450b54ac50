"""Clauses 1 to 14 of the contract Host: commands and groups."""

import threading
import time
from collections.abc import Callable

import pytest

from origo.errors import Cancelled, CommandFailed
from origo.host import Host, Job, Limits, job
from origo.testing.host_suite.base import HostSuite

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
