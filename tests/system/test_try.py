"""The trial, for real: up to an answering page, refused twice, killed, restored, down, purged, and nothing left."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = [pytest.mark.needs("libvirt", "iptables", "nginx", "mmdebstrap", "slirp4netns"), pytest.mark.timeout(900)]

TRY = str(ROOT / "appliance" / "try")
UP_SECONDS = 600


class Trial:
    """A trial that runs in the foreground of another terminal."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [TRY, "--home", str(home), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        """Everything that it has said."""
        return "".join(list(self.said))

    def wait_up(self) -> "Trial":
        """Until it has said how to stop it."""
        deadline = time.monotonic() + UP_SECONDS
        while "to stop" not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.2)
        return self

    def wait_end(self, status: int) -> None:
        """Until it has ended, with that status."""
        assert self.process.wait(180) == status, self.text
        self._reader.join(10)

    def url(self, label: str) -> str:
        """What stands behind a label."""
        found = re.search(rf"^  {label} +(\S+)", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORIGO_")}
    # Kept between builds and runs of tests; the trial itself keeps it in its home.
    return kept | {"ORIGO_CACHE": "/var/cache/origo", "SSH_CONNECTION": "203.0.113.5 5000 192.0.2.7 22"}


def command(home: Path, *options: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRY, "--home", str(home), *options],
        input=answer,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment(),
    )


def ask(port: int, host: str, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": f"{host}:{port}", "Accept": "text/html"})
        response = connection.getresponse()
        return response.status, response.headers.get("Location", "")


def origo(home: Path, *arguments: str) -> str:
    argv = [str(ROOT / ".venv/bin/origo"), *arguments]
    ended = subprocess.run(
        argv, env={**environment(), "ORIGO_HOME": str(home)}, capture_output=True, text=True, check=True
    )
    return ended.stdout


def processes(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().decode(errors="replace") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    path = Path(f"/var/tmp/origo-try-{os.getpid()}")  # noqa: S108
    yield path
    if path.exists():
        command(path, "--down")
        command(path, "--purge", answer="y\n")


@pytest.fixture(scope="module")
def trial(home: Path) -> Iterator[Trial]:
    running = Trial(home).wait_up()
    yield running
    running.process.kill()
    running.process.wait()


def test_it_says_where_everything_is(trial: Trial) -> None:
    assert "http://origo.localhost:8080  https://origo.localhost:8443" in trial.text
    assert trial.url("first log-in").startswith("http://origo.localhost:8080/setup?ticket=")
    assert "ssh -L 8080:127.0.0.1:8080 -L 8443:127.0.0.1:8443" in trial.text
    assert trial.text.count("try: building the stack hello") == 1


def test_the_front_answers_on_loopback_and_the_stack_behind_a_log_in(trial: Trial) -> None:
    assert ask(8080, "origo.localhost", "/login")[0] == 200
    host = re.sub(r"^http://|:.*", "", trial.url("hello"))
    status, target = ask(8080, host)
    assert (status, target.startswith("http://origo.localhost:8080/enter/hello-")) == (303, True)


def test_a_second_start_on_the_same_home_is_refused(trial: Trial, home: Path) -> None:
    ended = command(home)
    assert ended.returncode == 1
    assert f"cannot start on {home}: a trial runs there already (process {trial.process.pid})" in ended.stderr


def test_another_home_says_that_the_ports_are_taken(trial: Trial, home: Path) -> None:
    other = home.with_name(f"{home.name}-b")
    ended = command(other)
    assert ended.returncode == 1
    assert "cannot listen on 127.0.0.1 port 8443" in ended.stderr
    assert command(other, "--purge", answer="y\n").returncode == 0


def test_a_running_home_is_not_removed(trial: Trial, home: Path) -> None:
    ended = command(home, "--purge", answer="y\n")
    assert ended.returncode == 1
    assert "a trial runs there" in ended.stderr


def test_guests_have_no_way_out_and_the_engine_has(trial: Trial, home: Path) -> None:
    daemon = str(processes(f"serve\0--home\0{home}")[-1])
    inside = ["nsenter", "--target", daemon, "--net"]
    rules = subprocess.run(
        [*inside, "nft", "list", "table", "inet", "origo_world"], capture_output=True, text=True, check=True
    )
    assert 'oifname "egress0" reject' in rules.stdout
    route = subprocess.run([*inside, "ip", "route", "show", "default"], capture_output=True, text=True, check=True)
    assert "dev egress0" in route.stdout


def test_events_are_shown_as_they_happen(trial: Trial, home: Path) -> None:
    before = len(trial.text)
    for verb, power in (("stop", "stopped"), ("start", "running")):
        origo(home, "stacks", verb, "hello")
        deadline = time.monotonic() + 60
        while f"name=hello power={power}" not in trial.text[before:]:
            assert time.monotonic() < deadline, trial.text[before:]
            time.sleep(0.1)


def test_a_killed_trial_leaves_nothing_running_and_the_next_restores_what_ran(home: Path, trial: Trial) -> None:
    trial.process.kill()
    trial.wait_end(-signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes(str(home)):
        assert time.monotonic() < deadline, "something of the world lives on"
        time.sleep(0.1)
    again = Trial(home).wait_up()
    assert "building" not in again.text
    assert "installing" not in again.text
    assert again.url("hello") == trial.url("hello")
    assert '"running"' in origo(home, "stacks", "list", "--json")
    ended = command(home, "--down")
    assert (ended.returncode, ended.stdout) == (0, f"try: stopped {home}\n")
    again.wait_end(0)
    assert processes(str(home)) == []


def test_a_ctrl_c_shuts_down_and_the_next_start_has_what_ran(home: Path, trial: Trial) -> None:
    running = Trial(home).wait_up()
    running.process.send_signal(signal.SIGINT)
    running.wait_end(0)
    log = (home / "log" / "engine.log").read_text()
    assert "Traceback" not in log
    assert command(home, "--down").stdout == f"try: nothing runs in {home}\n"


def test_a_purge_asks_and_says_what_stays(home: Path, trial: Trial) -> None:
    kept = command(home, "--purge", answer="no\n")
    assert (kept.returncode, home.exists()) == (1, True)
    ended = command(home, "--purge", answer="y\n")
    assert (ended.returncode, home.exists()) == (0, False)
    assert "what stays: the folder .venv" in ended.stdout


def test_once_is_a_whole_round_with_nothing_left(home: Path, trial: Trial) -> None:
    ended = command(home, "--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (
        len(re.findall(r"^try: https?://hello-\w+\.origo\.localhost:\d+/ answers: Hello", ended.stdout, re.MULTILINE))
        == 2
    )
    assert not home.exists()
    assert processes(str(home)) == []
    assert [path for path in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in path] == []
