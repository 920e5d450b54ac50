"""This machine keeps the contract Host."""

import errno
import os
import shlex
import time
from pathlib import Path

import pytest

from origo.errors import NotFound
from origo.host import Host, Job, LocalHost, files, job
from origo.testing.host_suite import HostClauses


class TestLocalHost(HostClauses):
    @pytest.fixture
    def host(self) -> Host:
        return LocalHost()

    @pytest.fixture
    def scratch(self, tmp_path: Path) -> str:
        folder = tmp_path / "scratch"
        folder.mkdir()
        return str(folder)

    def test_a_command_is_over_though_what_it_left_running_still_has_its_output_open(
        self, host: Host, mark: str
    ) -> None:
        began = time.monotonic()
        assert host.run(["sh", "-c", f"sh -c 'while true; do sleep 1; done' {mark} & echo over"]).text == "over\n"
        assert time.monotonic() - began < 5
        assert self.alive(host, mark) == 1

    def test_ending_a_group_ends_descendants_that_have_cleaned_their_environment(self, host: Host, mark: str) -> None:
        group = f"group-{mark}"
        outer = ["sh", "-c", f"env -i {shlex.join(self.sleeper(mark))}; true"]
        with job(Job(group)):
            host.run(["sh", "-c", f"setsid {shlex.join(outer)} >/dev/null 2>&1 </dev/null &"])
        self.wait_alive(host, mark, 2)
        host.end(group)
        assert self.alive(host, mark) == 0


def test_what_the_system_tells_of_a_process_that_has_ended_is_not_found() -> None:
    told = files.error("read", "/proc/4711/maps", os.strerror(errno.ESRCH))
    assert isinstance(told, NotFound) and told.message == "cannot read /proc/4711/maps: no such process"


def test_what_was_removed_stays_so_after_a_power_cut_also_where_it_was_gone_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    file = tmp_path / "file"
    file.touch()
    for _ in range(2):
        LocalHost().remove(str(file))
    assert not file.exists() and synced == [str(tmp_path)] * 2
