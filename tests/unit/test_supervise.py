"""The supervisor runs what Origo needs, through deaths of the programs and of the daemon itself, in both forms."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from origo.contracts import ServiceSpec
from origo.errors import OrigoError, Unavailable
from origo.host import daemons
from origo.supervise import Supervisor
from tests.forms import FORM, own_form_only

PROGRAM = """
import os, signal, subprocess, sys, time
folder = sys.argv[1]
open(folder + "/pid", "w").write(str(os.getpid()))
if "fail" in sys.argv:
    sys.exit("no such bridge")
signal.signal(signal.SIGHUP, lambda *_: open(folder + "/hups", "a").write("h"))
if "workers" in sys.argv:
    worker = subprocess.Popen(["sleep", "300"])
    open(folder + "/worker", "w").write(str(worker.pid))
print("started", flush=True)
open(folder + "/ready", "w").close()
while True:
    time.sleep(60)
"""

KILLED_DAEMON = """
import os, signal, sys
from origo.contracts import ServiceSpec
from origo.supervise import Supervisor
from origo.host import daemons
from tests.forms import FORM
folder, moment, argv = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])
if moment == "spawned":
    spawn = daemons.spawn
    def spawn_and_die(*a, **k):
        spawn(*a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    daemons.spawn = spawn_and_die
Supervisor(folder + "/services", lambda *_: None, FORM).ensure(ServiceSpec("one", argv, ready=folder + "/ready"))
os.kill(os.getpid(), signal.SIGKILL)
"""


class Trouble(list[tuple[str, str]]):
    def __call__(self, name: str, sentence: str) -> None:
        self.append((name, sentence))


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def supervisor(tmp_path: Path, trouble: Trouble) -> Iterator[Supervisor]:
    one = Supervisor(str(tmp_path / "services"), trouble, FORM)
    yield one
    one.stop_all()


def spec_of(tmp_path: Path, *words: str, files: dict[str, str] | None = None) -> ServiceSpec:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    argv = (sys.executable, "-S", str(program), str(tmp_path), *words)
    return ServiceSpec("one", argv, files=files or {}, ready=str(tmp_path / "ready"))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not happen within 20 seconds"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed_daemon(tmp_path: Path, moment: str, spec: ServiceSpec) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_DAEMON, str(tmp_path), moment, *spec.argv], timeout=30)
    assert ended.returncode == -signal.SIGKILL


def noted_pid(tmp_path: Path) -> int:
    return int((tmp_path / "pid").read_text())


def test_a_program_runs_once_it_is_ready_and_a_second_call_changes_nothing(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    spec = spec_of(tmp_path, files={str(tmp_path / "etc" / "conf"): "a"})
    supervisor.ensure(spec)
    pid = supervisor.states()["one"].pid
    assert (tmp_path / "ready").exists() and (tmp_path / "etc" / "conf").read_text() == "a"
    supervisor.ensure(spec)
    assert supervisor.states()["one"].pid == pid and supervisor.states()["one"].running
    assert os.getsid(pid) == pid


@own_form_only
def test_what_a_program_prints_is_in_a_file_of_its_own(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.ensure(spec_of(tmp_path))
    assert "started" in (tmp_path / "services" / "one.log").read_text()


def test_a_changed_command_restarts_and_a_changed_file_makes_it_read_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    conf, old = str(tmp_path / "conf"), str(tmp_path / "old")
    supervisor.ensure(spec_of(tmp_path, files={conf: "a", old: "x"}))
    first = supervisor.states()["one"].pid
    supervisor.ensure(spec_of(tmp_path, files={conf: "b"}))
    wait_until(lambda: (tmp_path / "hups").exists())
    assert supervisor.states()["one"].pid == first
    assert Path(conf).read_text() == "b" and not Path(old).exists()
    supervisor.ensure(spec_of(tmp_path, "more", files={conf: "b"}))
    assert supervisor.states()["one"].pid != first and not runs(first)


def test_a_program_is_run_anew_on_demand_with_all_that_belongs_to_it(
    supervisor: Supervisor, tmp_path: Path, trouble: Trouble
) -> None:
    supervisor.restart("one")
    assert supervisor.states() == {}
    supervisor.ensure(spec_of(tmp_path, "workers"))
    first, worker = supervisor.states()["one"].pid, int((tmp_path / "worker").read_text())
    supervisor.restart("one")
    state = supervisor.states()["one"]
    assert state.running and state.pid == noted_pid(tmp_path) != first and state.restarts == 0
    assert not runs(first) and not runs(worker) and trouble == []


def test_a_program_that_nobody_asked_this_daemon_for_is_not_run_anew(tmp_path: Path, trouble: Trouble) -> None:
    spec = spec_of(tmp_path)
    killed_daemon(tmp_path, "later", spec)
    supervisor = Supervisor(str(tmp_path / "services"), trouble, FORM)
    try:
        supervisor.restart("one")
        assert supervisor.states()["one"].pid == noted_pid(tmp_path)
    finally:
        supervisor.stop_all()


def test_a_killed_program_is_revived_and_both_are_reported(
    supervisor: Supervisor, tmp_path: Path, trouble: Trouble
) -> None:
    supervisor.ensure(spec_of(tmp_path, "workers"))
    pid, worker = supervisor.states()["one"].pid, int((tmp_path / "worker").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(trouble) == 2)
    assert trouble[0][0] == "one" and "one was killed by signal 9" in trouble[0][1]
    assert trouble[1] == ("one", "")
    state = supervisor.states()["one"]
    assert state.running and state.pid != pid and state.restarts == 1 and state.sentence == ""
    assert not runs(worker), "what the dead program left behind would still hold its sockets"


def test_a_program_that_does_not_start_says_why_and_is_tried_again(
    supervisor: Supervisor, tmp_path: Path, trouble: Trouble
) -> None:
    with pytest.raises(Unavailable, match="cannot start one: no such bridge"):
        supervisor.ensure(spec_of(tmp_path, "fail"))
    wait_until(lambda: supervisor.states()["one"].restarts >= 2)
    wait_until(lambda: any("ended with status 1" in said and "no such bridge" in said for _, said in trouble))
    supervisor.ensure(spec_of(tmp_path))
    assert supervisor.states()["one"].running and supervisor.states()["one"].sentence == ""


def test_a_program_that_does_not_exist_is_refused_with_a_sentence(supervisor: Supervisor) -> None:
    with pytest.raises(OrigoError, match="cannot start /nowhere/program"):
        supervisor.ensure(ServiceSpec("none", ("/nowhere/program",)))
    supervisor.remove("none")
    assert supervisor.states() == {}


def test_removing_ends_the_program_takes_its_files_and_may_be_done_twice(
    supervisor: Supervisor, tmp_path: Path, trouble: Trouble
) -> None:
    supervisor.ensure(spec_of(tmp_path, "workers", files={str(tmp_path / "conf"): "a"}))
    pid, worker = supervisor.states()["one"].pid, int((tmp_path / "worker").read_text())
    supervisor.remove("one")
    supervisor.remove("one")
    assert not runs(pid) and not runs(worker) and not (tmp_path / "conf").exists()
    assert supervisor.states() == {} and trouble == []


def test_the_next_daemon_adopts_what_runs_unchanged_and_watches_it(tmp_path: Path, trouble: Trouble) -> None:
    spec = spec_of(tmp_path)
    killed_daemon(tmp_path, "ready", spec)
    pid = noted_pid(tmp_path)
    supervisor = Supervisor(str(tmp_path / "services"), trouble, FORM)
    try:
        assert supervisor.states()["one"].pid == pid
        supervisor.ensure(spec)
        assert supervisor.states()["one"].pid == pid, "it must not be started a second time"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(trouble) == 2)
        assert supervisor.states()["one"].running and trouble[1] == ("one", "")
    finally:
        supervisor.stop_all()


def test_the_next_daemon_restarts_what_runs_with_another_command(tmp_path: Path, trouble: Trouble) -> None:
    killed_daemon(tmp_path, "ready", spec_of(tmp_path))
    pid = noted_pid(tmp_path)
    supervisor = Supervisor(str(tmp_path / "services"), trouble, FORM)
    try:
        supervisor.ensure(spec_of(tmp_path, "changed"))
        assert not runs(pid) and supervisor.states()["one"].running
    finally:
        supervisor.stop_all()


@own_form_only
def test_a_program_not_yet_noted_when_the_daemon_was_killed_is_found_and_ended(
    tmp_path: Path, trouble: Trouble
) -> None:
    killed_daemon(tmp_path, "spawned", spec_of(tmp_path))
    mark, log = str(tmp_path / "services" / "one"), str(tmp_path / "services" / "one.log")
    (stray,) = daemons.find(log=log, mark=mark)
    supervisor = Supervisor(str(tmp_path / "services"), trouble, FORM)
    try:
        assert not daemons.alive(stray)
    finally:
        supervisor.stop_all()


@own_form_only
def test_a_stranger_with_the_number_of_a_dead_program_is_left_alone(tmp_path: Path, trouble: Trouble) -> None:
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        folder = tmp_path / "services"
        folder.mkdir()
        record = {"digest": "x", "files": [], "pid": stranger.pid, "started": 1, "boot": daemons.boot()}
        (folder / "one.json").write_text(json.dumps(record))
        supervisor = Supervisor(str(folder), trouble, FORM)
        supervisor.ensure(spec_of(tmp_path))
        supervisor.remove("one")
        supervisor.stop_all()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_leaving_keeps_programs_running_and_stopping_ends_them(tmp_path: Path, trouble: Trouble) -> None:
    first = Supervisor(str(tmp_path / "services"), trouble, FORM)
    first.ensure(spec_of(tmp_path))
    pid = first.states()["one"].pid
    first.leave()
    assert runs(pid)
    second = Supervisor(str(tmp_path / "services"), trouble, FORM)
    second.stop_all()
    assert not runs(pid)


@own_form_only
def test_a_log_does_not_grow_without_bound(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.ensure(spec_of(tmp_path))
    log = tmp_path / "services" / "one.log"
    with log.open("a") as more:
        more.write("line\n" * 2_000_000)
    supervisor.ensure(spec_of(tmp_path, "again"))
    assert log.stat().st_size < 5 << 20
    assert log.with_suffix(".log.1").stat().st_size <= 4 << 20


def test_an_unchanged_program_costs_next_to_nothing(supervisor: Supervisor, tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    supervisor.ensure(spec)
    begin = time.perf_counter()
    for _ in range(200):
        supervisor.ensure(spec)
    assert (time.perf_counter() - begin) / 200 < 0.005
