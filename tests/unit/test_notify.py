"""Systemd is told what it wants to know, by a real socket, and only as long as it is true."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from origo import notify
from tests.house.source import ROOT


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The end of the socket that a service manager reads."""
    name = f"@origo-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(name.replace("@", "\0", 1))
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield end


def test_it_says_that_it_is_ready_and_how_it_is(manager: socket.socket) -> None:
    notify.ready("restoring servers")
    assert manager.recv(1000) == b"READY=1\nSTATUS=restoring servers"


def test_a_wait_for_file_systems_takes_nothing_from_the_time_for_the_start(manager: socket.socket) -> None:
    notify.starting()
    (word,) = re.findall(rb"^EXTEND_TIMEOUT_USEC=(\d+)000000$", manager.recv(1000), re.MULTILINE)
    unit = (ROOT / "appliance/units/origo.service").read_text()
    assert f"\nTimeoutStartSec={int(word) // 60}min\n" in unit


def test_a_stop_says_how_long_it_may_take(manager: socket.socket) -> None:
    notify.stopping("shutting guests down", 90)
    assert manager.recv(1000).split(b"\n") == [
        b"STOPPING=1", b"STATUS=shutting guests down", b"EXTEND_TIMEOUT_USEC=90000000",
    ]  # fmt: skip


def test_nobody_who_listens_or_one_who_is_gone_is_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.tell("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify.tell("READY=1")


def test_the_sign_of_life_ends_when_a_part_hangs(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    hung = threading.Event()
    watchdog = notify.Watchdog({"web": lambda seconds: True, "operations": lambda seconds: not hung.is_set()})
    watchdog.start()
    try:
        assert manager.recv(1000) == manager.recv(1000) == b"WATCHDOG=1"
        hung.set()
        manager.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                assert manager.recv(1000) == b"WATCHDOG=1"
    finally:
        watchdog.stop()


def test_without_a_watchdog_or_below_a_service_that_has_one_nothing_is_told(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notify.patience() == 0
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    assert notify.patience() == 0.4
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.patience() == 0
