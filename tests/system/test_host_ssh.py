"""A distant machine by ssh keeps the same contract as this one, and says so when it cannot be reached."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.errors import CommandFailed, NoRoom, Unavailable
from origo.host import Host, Job, LocalHost, SshHost, job
from origo.testing.host_suite import HostClauses
from origo.testing.second_machine import SecondMachine

pytestmark = [pytest.mark.needs("ssh"), pytest.mark.timeout(120)]

HERE = LocalHost()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondMachine]:
    with SecondMachine(tmp_path_factory.mktemp("second")) as second:
        yield second


@pytest.fixture(scope="module")
def shared_host(machine: SecondMachine) -> SshHost:
    return machine.host()


class TestSshHost(HostClauses):
    @pytest.fixture
    def host(self, shared_host: SshHost) -> Host:
        return shared_host

    @pytest.fixture
    def scratch(self, tmp_path: Path) -> str:
        folder = tmp_path / "scratch"
        folder.mkdir()
        return str(folder)

    def test_processes_end_though_their_client_was_killed(self, machine: SecondMachine, host: Host, mark: str) -> None:
        script = (
            "import sys; from origo.host import Job, SshHost, job\n"
            "name, address, key, identity, folder, group, mark = sys.argv[1:]\n"
            "host = SshHost(name, address, host_key=key, identity=identity, folder=folder)\n"
            "with job(Job(group)): host.run(['sh', '-c', 'while true; do sleep 1; done', mark], timeout=100)\n"
        )
        key = (machine.folder / "host.pub").read_text()
        words = [machine.name, machine.address, key, str(machine.folder / "user"), str(machine.folder / "ssh")]
        daemon = subprocess.Popen([sys.executable, "-c", script, *words, f"group-{mark}", mark])
        self.wait_alive(host, mark)
        daemon.kill()
        daemon.wait()
        HERE.run(["pkill", "-KILL", "-f", f"^ssh .*{mark}"])
        assert self.alive(host, mark) > 0
        host.end(f"group-{mark}")
        assert self.alive(host, mark) == 0


def test_commands_run_on_the_other_machine(machine: SecondMachine, shared_host: SshHost) -> None:
    assert shared_host.run(["hostname"]).text.strip() == machine.name
    assert shared_host.run(["readlink", "/proc/self/ns/net"]).text.strip() != str(Path("/proc/self/ns/net").readlink())


@pytest.mark.parametrize("way", ["to", "from", "within"])
def test_a_pipe_joins_two_machines(shared_host: SshHost, tmp_path: Path, way: str) -> None:
    source, target = {"to": (HERE, shared_host), "from": (shared_host, HERE), "within": (shared_host, shared_host)}[way]
    source.pipe(
        ["sh", "-c", "hostname; head -c 3000000 /dev/zero"], target, ["dd", f"of={tmp_path}/copy", "status=none"]
    )
    data = (tmp_path / "copy").read_bytes()
    assert data.startswith(source.run(["hostname"]).out)
    assert data.endswith(b"\0" * 3_000_000)


def test_a_pipe_between_machines_fails_with_the_reason_of_the_one_that_failed(shared_host: SshHost) -> None:
    endless, broken = ["cat", "/dev/zero"], ["sh", "-c", "echo it is broken >&2; exit 1"]
    with pytest.raises(CommandFailed, match="^cannot run sh: it is broken"):
        shared_host.pipe(endless, HERE, broken)
    with pytest.raises(CommandFailed, match="^cannot run sh on second1: it is broken"):
        HERE.pipe(endless, shared_host, broken)
    with pytest.raises(CommandFailed, match="^cannot run sh on second1: it is broken"):
        shared_host.pipe(broken, HERE, ["cat"])


def test_one_connection_serves_many_commands_at_once(shared_host: SshHost) -> None:
    shared_host.run(["true"])
    results: list[str] = []
    threads = [
        threading.Thread(
            target=lambda number=number: results.append(shared_host.run(["echo", str(number)]).text.strip())
        )
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=int) == [str(number) for number in range(16)]


def test_the_connection_outlives_the_job_that_first_needed_it(machine: SecondMachine) -> None:
    host = machine.host(folder=str(machine.folder / "ssh2"))
    with job(Job("first-job")):
        host.run(["true"])
    HERE.end("first-job")
    assert host.run(["true"]).code == 0
    assert HERE.run(["pgrep", "-f", "ssh2/.*ControlMaster"], check=False).code == 0


def test_a_lost_connection_is_made_again(machine: SecondMachine) -> None:
    host = machine.host(folder=str(machine.folder / "ssh3"))
    host.run(["true"])
    master = int(HERE.run(["pgrep", "-o", "-f", "ssh3/.*ControlMaster"]).text)
    os.kill(master, signal.SIGKILL)
    assert host.run(["echo", "again"]).text == "again\n"
    host.close()
    assert host.run(["echo", "again"]).text == "again\n"


def test_a_machine_with_another_key_is_refused(machine: SecondMachine) -> None:
    other = (machine.folder / "user.pub").read_text()
    with pytest.raises(Unavailable, match=r"^cannot reach second1 .*verification failed") as failure:
        machine.host(host_key=other).run(["true"])
    assert "same machine" in failure.value.hint


def test_an_identity_that_is_not_accepted_is_told(machine: SecondMachine) -> None:
    with pytest.raises(Unavailable, match=r"^cannot reach second1 .*Permission denied"):
        machine.host(identity=str(machine.folder / "host")).run(["true"])


def test_a_machine_that_is_off_is_told(machine: SecondMachine) -> None:
    with pytest.raises(Unavailable, match=r"^cannot reach second1 \(127.0.0.9\): .*refused") as failure:
        machine.host(address="127.0.0.9").stat("/")
    assert failure.value.hint


def test_a_cut_cable_is_noticed_in_the_middle_of_a_command(machine: SecondMachine) -> None:
    host = machine.host(folder=str(machine.folder / "ssh4"))
    host.run(["true"])
    timer = threading.Timer(1, machine.cut)
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(Unavailable, match="^cannot reach second1"):
            host.run(["sleep", "100"], timeout=100)
        assert time.monotonic() - began < 60
    finally:
        timer.join()
        machine.mend()
    assert host.run(["echo", "back"]).text == "back\n"


def test_a_file_that_arrives_only_in_part_replaces_nothing(machine: SecondMachine, tmp_path: Path) -> None:
    host = machine.host(folder=str(machine.folder / "ssh5"))
    target = tmp_path / "file"
    host.write(str(target), b"old")
    slow = ["rate", "8mbit", "burst", "32k", "latency", "1s"]
    HERE.run(["tc", "qdisc", "add", "dev", machine.link, "root", "tbf", *slow])
    timer = threading.Timer(1.5, machine.cut)
    timer.start()
    try:
        with pytest.raises(Unavailable), job(Job("half-a-file")):
            host.write(str(target), b"new" * 10_000_000)
    finally:
        timer.join()
        HERE.run(["tc", "qdisc", "del", "dev", machine.link, "root"])
        machine.mend()
    host.end("half-a-file")
    assert target.read_bytes() == b"old"
    assert host.list(str(tmp_path)) == ["file"]


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_full_file_system_is_told(shared_host: SshHost, where: str) -> None:
    host: Host = HERE if where == "here" else shared_host
    folder = "/run/small"
    host.make_folder(folder)
    host.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder])
    try:
        host.write(f"{folder}/file", b"old")
        with pytest.raises(NoRoom, match="^cannot write /run/small/file"):
            host.write(f"{folder}/file", b"x" * 200_000)
        assert host.list(folder) == ["file"]
        assert host.read(f"{folder}/file") == b"old"
    finally:
        host.run(["umount", folder])
