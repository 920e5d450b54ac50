"""The processes of a job are found also while they become another program."""

import os

import pytest

from origo.host import group

AMID_EXECVE = f"7 (sh) R 1{' 0' * 50}".encode()


def test_a_process_amid_execve_is_asked_again_until_it_shows_what_it_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [b"", b"", b"A=1\0ORIGO_GROUP=job\0"]
    monkeypatch.setattr(group, "_read", lambda path: shown.pop(0) if path.endswith("environ") else AMID_EXECVE)
    assert group._carries(7, b"ORIGO_GROUP=job")
    assert shown == []


def test_a_process_that_has_started_a_zombie_and_the_kernels_own_are_not_waited_for() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert [group._is_starting(number) for number in (os.getpid(), child, 2)] == [False] * 3
    os.waitpid(child, 0)
