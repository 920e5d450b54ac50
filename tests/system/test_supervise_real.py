"""A server with workers, which overwrites its own environment, under the supervisor: nginx."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from origo.contracts import ServiceSpec
from origo.host import daemons
from origo.supervise import Supervisor
from tests.forms import FORM, own_form_only

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(60)]

CONFIG = """daemon off; worker_processes 2; pid /run/supervised.pid; error_log stderr; events {}
http { access_log off; server { listen 127.0.0.1:18081; location / { return 204; } } }
"""
SPEC = ServiceSpec(
    "nginx",
    ("nginx", "-c", "/run/supervised.conf"),
    files={"/run/supervised.conf": CONFIG},
    ready="/run/supervised.pid",
)
KILLED_DAEMON = """
import os, signal, sys
from origo.host import daemons
from origo.supervise import Supervisor
from tests.forms import FORM
from tests.system.test_supervise_real import SPEC
if sys.argv[2] == "unnoted":
    spawn = daemons.spawn
    def spawn_and_die(*a, **k):
        spawn(*a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    daemons.spawn = spawn_and_die
Supervisor(sys.argv[1], lambda *_: None, FORM).ensure(SPEC)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def start(tmp_path: Path, told: list[tuple[str, str]]) -> Iterator[Callable[[], Supervisor]]:
    made: list[Supervisor] = []

    def one() -> Supervisor:
        made.append(Supervisor(str(tmp_path / "services"), lambda name, sentence: told.append((name, sentence)), FORM))
        return made[-1]

    yield one
    for supervisor in made:
        supervisor.stop_all()


def answers() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:18081/", timeout=2) as answer:
            return bool(answer.status == 204)
    except OSError:
        return False


def members(session: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if daemons._session(pid) == session]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, "it did not happen within 15 seconds"
        time.sleep(0.02)


def test_nginx_killed_leaves_no_workers_behind_and_answers_again(
    start: Callable[[], Supervisor], told: list[tuple[str, str]]
) -> None:
    supervisor = start()
    supervisor.ensure(SPEC)
    pid = supervisor.states()["nginx"].pid
    wait_until(lambda: answers() and len(members(pid)) == 3)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(told) == 2)
    assert "nginx was killed by signal 9" in told[0][1] and told[1] == ("nginx", "")
    assert answers() and members(pid) == []


def test_nginx_outlives_the_daemon_and_is_ended_with_its_workers(
    start: Callable[[], Supervisor], tmp_path: Path
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_DAEMON, str(tmp_path / "services"), "noted"], timeout=30)
    assert ended.returncode == -signal.SIGKILL and answers()
    supervisor = start()
    pid = supervisor.states()["nginx"].pid
    supervisor.ensure(SPEC)
    assert supervisor.states()["nginx"].pid == pid and answers()
    supervisor.remove("nginx")
    assert members(pid) == [] and not answers() and not Path("/run/supervised.conf").exists()


@own_form_only
def test_nginx_that_was_not_noted_is_found_though_it_has_overwritten_its_environment(
    start: Callable[[], Supervisor], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", KILLED_DAEMON, str(tmp_path / "services"), "unnoted"], timeout=30)
    wait_until(answers)
    (stray,) = daemons.find(log=str(tmp_path / "services" / "nginx.log"), mark=str(tmp_path / "services" / "nginx"))
    assert b"ORIGO_SERVICE" not in Path(f"/proc/{stray.pid}/environ").read_bytes()
    start()
    assert not daemons.alive(stray) and members(stray.pid) == []
