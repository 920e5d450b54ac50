"""What an update replaced on the disk is also what runs: started anew by itself, or an issue with its remedy."""

import dataclasses
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from origo import model, supervise
from origo.contracts import ServiceSpec
from origo.errors import Unavailable
from origo.host import Result
from origo.host.local import LocalHost
from origo.operations.core import Core
from origo.services.engine import programs
from tests.functional import kinds

MAPS = """\
55d0c2a00000-55d0c2a26000 r--p 00000000 fe:01 131 /usr/sbin/nginx
7f10a0000000-7f10a0021000 rw-p 00000000 00:00 0
7f10a1200000-7f10a1280000 r--p 00000000 fe:01 132 /usr/lib/x86_64-linux-gnu/libssl.so.3{gone}
7f10a1280000-7f10a1300000 r-xp 00080000 fe:01 132 /usr/lib/x86_64-linux-gnu/libssl.so.3{gone}
7f10a2000000-7f10a2010000 r--p 00000000 fe:01 140 /usr/share/locale/locale-archive (deleted)
7f10a2100000-7f10a2110000 r-xp 00000000 00:01 141 /memfd:code (deleted)
7f10a2200000-7f10a2210000 r-xp 00000000 00:01 142 /dev/shm/code (deleted)
7f10a2300000-7f10a2310000 r-xp 00000000 fe:01 143 /tmp/code (deleted)
"""
LIBVIRTD = 1 << 22
"""A number that no process has."""


class Machine(LocalHost):
    """A machine whose daemon and libvirt run what is installed until a test replaces it."""

    def __init__(self) -> None:
        super().__init__()
        self.libvirtd = LIBVIRTD
        self.gone: set[int] = set()

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        if argv[0] != "systemctl":
            return super().run(argv, **more)
        return Result(tuple(argv), 0, f"{self.libvirtd}\n".encode(), b"")

    def read(self, path: str, **more: Any) -> bytes:
        for pid in (os.getpid(), LIBVIRTD):
            if path == f"/proc/{pid}/maps":
                return MAPS.format(gone=" (deleted)" if pid in self.gone else "").encode()
        return super().read(path, **more)


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """An engine that the machine's systemd runs; what packages bring lies below the folder `usr`."""
    (tmp_path / "usr").mkdir()
    monkeypatch.setattr(supervise, "runs_us", lambda: True)
    monkeypatch.setattr(programs, "WHERE", (*programs.WHERE, f"{tmp_path}/usr/"))
    with kinds.waiting(tmp_path / "core") as made:
        yield dataclasses.replace(made, local=Machine())
        made.supervisor.stop_all()


@pytest.fixture
def here(core: Core) -> Machine:
    assert isinstance(core.local, Machine)
    return core.local


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of a package."""
    return Path(shutil.copy("/bin/sleep", tmp_path / "usr" / "doze"))


def started(core: Core, *argv: str) -> int:
    """Let the program `one` run, and wait until that is what its process, or one below it, really does; its number."""
    core.supervisor.ensure(ServiceSpec("one", argv))
    pid = core.supervisor.states()["one"].pid
    deadline = time.monotonic() + 20
    while "/usr/doze" not in "".join(Path(f"/proc/{one}/maps").read_text() for one in (pid, *children(pid))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return pid


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def replace(program: Path) -> None:
    """Do what dpkg does at an update."""
    fresh = Path(shutil.copy(program, f"{program}.dpkg-new"))
    fresh.rename(program)


def open_issues() -> list[tuple[str, str]]:
    rows = model.Issue.select().where(model.Issue.ended.is_null())
    return [(issue.sentence, issue.remedy) for issue in rows]


@pytest.mark.parametrize("below", [False, True])
def test_a_program_that_an_update_replaced_is_started_anew(core: Core, program: Path, below: bool) -> None:
    argv = ("sh", "-c", f"{program} 300; :") if below else (str(program), "300")
    before = started(core, *argv)
    programs.renew(core)
    assert core.supervisor.states()["one"].pid == before and programs.look(core)[0]
    replace(program)
    ok, sentence, remedy = programs.look(core)
    assert (ok, sentence) == (False, "one still runs what an update has replaced: doze") and "restart origo" in remedy
    programs.renew(core)
    state = core.supervisor.states()["one"]
    assert state.running and state.pid != before and state.restarts == 0
    assert programs.look(core)[:2] == (True, "all run what is installed")
    assert open_issues() == []


def test_one_that_does_not_start_any_more_is_an_issue_of_its_own(
    core: Core, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise Unavailable(f"cannot start {name}: it ended at once")

    started(core, str(program), "300")
    replace(program)
    monkeypatch.setattr(core.supervisor, "restart", refuse)
    programs.renew(core)
    ((sentence, remedy),) = open_issues()
    assert sentence == "cannot start one: it ended at once" and "journalctl -u origo-one" in remedy


def test_the_engine_and_libvirt_are_issues_until_they_were_restarted(core: Core, here: Machine) -> None:
    here.gone = {os.getpid(), LIBVIRTD}
    programs.renew(core)
    sentence = "origo, libvirtd still run what an update has replaced: libssl.so.3"
    assert open_issues() == [(sentence, "`systemctl restart origo libvirtd`: servers run on")]
    assert programs.look(core) == (False, *open_issues()[0])
    here.gone = {LIBVIRTD}
    programs.renew(core)
    assert [sentence for sentence, _ in open_issues()] == [
        "libvirtd still runs what an update has replaced: libssl.so.3"
    ]
    here.gone = set()
    programs.renew(core)
    assert open_issues() == [] and programs.look(core)[0]


def test_a_libvirt_that_does_not_run_is_no_trouble_here(core: Core, here: Machine) -> None:
    here.gone, here.libvirtd = {LIBVIRTD}, 0
    assert programs.look(core)[0]


def test_the_programs_of_somebody_elses_machine_are_left_alone(
    core: Core, program: Path, here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = started(core, str(program), "300")
    replace(program)
    here.gone = {os.getpid()}
    monkeypatch.setattr(supervise, "runs_us", lambda: False)
    programs.renew(core)
    assert core.supervisor.states()["one"].pid == before and open_issues() == []
