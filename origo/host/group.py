"""The processes of one job on this machine, found by what they carry in their environment, and ended."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable

from origo.errors import Unavailable

VARIABLE = "ORIGO_GROUP"
GRACE_SECONDS = 5
"""How long they may take to end by themselves after SIGTERM, before SIGKILL."""
PATIENCE_SECONDS = 60
WAIT_MILLISECONDS = 100
EXEC_SECONDS = 1
"""How long a process that is about to become another program is waited for, to see what it carries."""
INIT = "1"
EXITING, KERNEL_THREAD = 0x4, 0x200000
"""Flags of a process, from linux/sched.h."""

Members = dict[int, int]
"""Process number to pidfd."""


def end(group: str) -> None:
    """End every process that carries the group, and their descendants; return when all are gone.

    A process is held by a pidfd from the moment it is found, so that neither a number given out again nor a parent
    that goes first makes it hit another process or miss one.
    """
    if not group:
        raise ValueError("a group needs a name")
    members: Members = {}
    started = time.monotonic()
    try:
        _signal(_join(group, members), signal.SIGTERM)
        while members:
            _wait(members)
            _signal(_join(group, members), signal.SIGTERM)
            age = time.monotonic() - started
            if age > PATIENCE_SECONDS:
                raise Unavailable(
                    f"cannot end the processes {sorted(members)} of {group}: they do not react to SIGKILL",
                    hint="their storage may hang: look for errors with `dmesg | tail`",
                )
            if age > GRACE_SECONDS:
                _signal(members.values(), signal.SIGKILL)
    finally:
        for handle in members.values():
            os.close(handle)


def _join(group: str, members: Members) -> list[int]:
    """Make members of all that belong to the group by now; the handles of the new ones."""
    known = set(members)
    mark = f"{VARIABLE}={group}".encode()
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit() and name != INIT]
    for number in numbers:
        if _carries(number, mark):
            _hold(number, members, lambda number: _carries(number, mark))
    found = bool(members)
    while found:
        found = False
        for number in numbers:
            if number not in members and _parent(number) in members:
                found = _hold(number, members, lambda number: _parent(number) in members) or found
    return [handle for number, handle in members.items() if number not in known]


def _hold(number: int, members: Members, belongs: Callable[[int], bool]) -> bool:
    """Make a process a member, if it still belongs now that its number cannot change hands."""
    if number in members or number == os.getpid():
        return False
    try:
        handle = os.pidfd_open(number)
    except ProcessLookupError:
        return False
    if not belongs(number):
        os.close(handle)
        return False
    members[number] = handle
    return True


def _signal(handles: Iterable[int], number: signal.Signals) -> None:
    for handle in handles:
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            continue


def _wait(members: Members) -> None:
    """Wait a moment for members to end, and strike off those that have."""
    ended = select.poll()
    for handle in members.values():
        ended.register(handle, select.POLLIN)
    gone = {handle for handle, _ in ended.poll(WAIT_MILLISECONDS)}
    for number in [number for number, handle in members.items() if handle in gone]:
        os.close(members.pop(number))


def _carries(number: int, mark: bytes) -> bool:
    """Whether the mark is in its environment; one that has ended has none.

    Amid execve a process has none either, for a moment that is long on a busy machine.
    """
    deadline = time.monotonic() + EXEC_SECONDS
    while not (environment := _read(f"/proc/{number}/environ")) and _is_starting(number):
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return mark in environment and mark in environment.split(b"\0")


def _is_starting(number: int) -> bool:
    """Whether it is a program that has no place for its environment yet (proc_pid_stat(5): state, flags, env_end)."""
    facts = _facts(number)
    return bool(facts) and facts[0] != b"Z" and not int(facts[6]) & (EXITING | KERNEL_THREAD) and facts[48] == b"0"


def _parent(number: int) -> int:
    """The process that started it, 0 if it has ended."""
    facts = _facts(number)
    return int(facts[1]) if facts and facts[0] != b"Z" else 0


def _facts(number: int) -> list[bytes]:
    """What the kernel says of it, from its state on; nothing if it is gone."""
    return _read(f"/proc/{number}/stat").rpartition(b")")[2].split()


def _read(path: str) -> bytes:
    """A whole file of /proc; empty if the process is gone or nobody may look."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(file, 1 << 17):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(file)
