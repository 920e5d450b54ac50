"""Processes of this machine, watched until they end: fed, read, timed, and cancelled with the job they belong to."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from origo.errors import Cancelled, CommandFailed, OrigoError, Unavailable
from origo.host.contract import Command, Result, current_job

CANCEL_SECONDS = 0.2
"""How often a waiting command asks whether its job is cancelled."""
OUTPUT_LIMIT = 32 << 20
TAIL_LIMIT = 64 << 10
LINE_LIMIT = 16 << 10
CHUNK = 64 << 10
ABSENT = "there is no such command"
READER_GONE = (-signal.SIGPIPE, 128 + signal.SIGPIPE, 255)
"""How the source of a pipe ends when its target has failed: here, there, and its ssh client."""

End = Callable[[str], None]
"""Ends a group and returns when all of it is gone: `Host.end`."""
Sink = Callable[[bytes], None]
Child = subprocess.Popen[bytes]


class Printed:
    """What a command printed, bounded: all of it or an error; with `only_end`, no more than its end."""

    def __init__(self, limit: int, *, only_end: bool = False) -> None:
        self.limit = limit
        self.only_end = only_end
        self.data = bytearray()

    def __call__(self, chunk: bytes) -> None:
        self.data += chunk
        excess = len(self.data) - self.limit
        if excess > 0 and not self.only_end:
            raise _Broken(f"it printed more than {self.limit >> 20} MiB")
        if excess > 0:
            del self.data[:excess]


class Lines:
    """Cuts output into lines and hands each over at once; `\\r` ends one too. Remembers the last ones."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.on_line = on_line
        self.rest = b""
        self.last: deque[str] = deque(maxlen=20)

    def __call__(self, chunk: bytes) -> None:
        *lines, self.rest = (self.rest + chunk).replace(b"\r", b"\n").split(b"\n")
        if len(self.rest) > LINE_LIMIT:
            lines.append(self.rest)
            self.rest = b""
        for line in lines:
            self._hand_over(line)

    def close(self) -> None:
        """Hand over a last line that no line end followed."""
        self._hand_over(self.rest)
        self.rest = b""

    def _hand_over(self, line: bytes) -> None:
        if text := line.decode(errors="replace").rstrip():
            self.last.append(text)
            self.on_line(text)


class _Broken(Exception):
    """A command is not let go on: it takes too long or prints too much."""


def run(command: Command, end: End, *, input: bytes, timeout: float, check: bool, limit: int = OUTPUT_LIMIT) -> Result:
    """Run it to its end; `end` ends its group when it takes too long, prints too much or is cancelled."""
    out = Printed(limit)
    err = Printed(TAIL_LIMIT, only_end=True)
    with _children((command, end)) as children:
        child = _start(command, children, stdin=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        (code,) = _watch(children, {child.stdin: input}, {child.stdout: out, child.stderr: err}, timeout)
    error = failed(command, code, err.data.decode(errors="replace"))
    if error and (check or not isinstance(error, CommandFailed) or error.details["reason"] == ABSENT):
        raise error
    return Result(command.asked, code, bytes(out.data), bytes(err.data))


def stream(command: Command, end: End, on_line: Callable[[str], None], *, input: bytes, timeout: float) -> None:
    """Run it to its end and hand over each line it prints, on either output."""
    lines = Lines(on_line)
    with _children((command, end)) as children:
        child = _start(command, children, stdin=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        (code,) = _watch(children, {child.stdin: input}, {child.stdout: lines}, timeout)
        lines.close()
    if error := failed(command, code, "\n".join(lines.last)):
        raise error


def pipe(source: Command, end_source: End, target: Command, end_target: End, *, timeout: float) -> None:
    """Run both with the output of one as the input of the other; the first that failed by itself is reported."""
    errors = [Printed(TAIL_LIMIT, only_end=True), Printed(TAIL_LIMIT, only_end=True)]
    with _children((source, end_source), (target, end_target)) as children:
        first = _start(source, children, stdin=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        second = _start(target, children, stdin=first.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if first.stdout:
            first.stdout.close()
        codes = _watch(children, {}, {first.stderr: errors[0], second.stderr: errors[1]}, timeout)
    found = [
        failed(command, code, printed.data.decode(errors="replace"))
        for command, code, printed in zip((source, target), codes, errors, strict=True)
    ]
    if found[1] and codes[0] in READER_GONE and not isinstance(found[0], Unavailable):
        raise found[1]
    for error in found:
        if error:
            raise error


def failed(command: Command, code: int, printed: str) -> OrigoError | None:
    """The error of a command that ended with `code` (below 0: by that signal), told by its last line."""
    if code == 0:
        return None
    if better := command.explain(code, printed):
        return better
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")
    if code < 0:
        reason = f"it was ended by {signal.Signals(-code).name}"
    elif code == 127 and command.asked[0] in last and "No such file" in last:
        reason = ABSENT
    else:
        reason = last.removeprefix(f"{command.asked[0]}: ") or f"it ended with status {code}"
    return _error(command, reason, code, printed)


def _error(command: Command, reason: str, code: int | None, printed: str = "") -> CommandFailed:
    details = {"argv": list(command.asked), "code": code, "reason": reason, "error": printed[-4000:]}
    return CommandFailed(f"cannot run {command.asked[0]}{command.where}: {reason}", details=details)


@contextlib.contextmanager
def _children(*parts: tuple[Command, End]) -> Iterator[list[Child]]:
    """The processes started in the block; if it fails, they and all they started are ended and gone."""
    children: list[Child] = []
    try:
        yield children
    except BaseException as error:
        with contextlib.ExitStack() as ends:
            for command, end in parts[: len(children)]:
                ends.callback(end, command.group)
        if isinstance(error, _Broken):
            raise _error(parts[0][0], str(error), None) from None
        raise
    finally:
        for child in children:
            _put_away(child)


def _put_away(child: Child) -> None:
    """Leave neither the process nor its pipes behind."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()


def _start(
    command: Command, children: list[Child], *, stdin: bytes | IO[bytes] | None, stdout: int, stderr: int
) -> Child:
    """Start it in a session of its own, in the root folder, with no other open files than the three."""
    given = (subprocess.PIPE if stdin else subprocess.DEVNULL) if isinstance(stdin, bytes) else stdin
    try:
        child = subprocess.Popen(
            command.argv,
            stdin=given,
            stdout=stdout,
            stderr=stderr,
            env=command.env,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise _error(command, ABSENT, 127) from None
    except OSError as error:
        raise _error(command, error.strerror or str(error), 126) from None
    children.append(child)
    return child


def _watch(
    children: Sequence[Child],
    inputs: dict[IO[bytes] | None, bytes],
    sinks: dict[IO[bytes] | None, Sink],
    timeout: float,
) -> list[int]:
    """Feed and read the children until all have ended (their own children may live on); their exit codes.

    Raises _Broken after `timeout` seconds, Cancelled when the current job is.
    """
    running = set(children)
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.PollSelector())
        for child in children:
            handle = os.pidfd_open(child.pid)
            stack.callback(os.close, handle)
            selector.register(handle, selectors.EVENT_READ, _Ended(child, running))
        for stream, data in inputs.items():
            if stream:
                selector.register(stream, selectors.EVENT_WRITE, _Feed(stream, data))
        readers = [_Read(stream, sink) for stream, sink in sinks.items() if stream]
        for reader in readers:
            selector.register(reader.stream, selectors.EVENT_READ, reader)
        _turn(selector, running, timeout)
        for reader in readers:
            reader.drain()
    return [child.wait() for child in children]


def _turn(selector: selectors.BaseSelector, running: set[Child], timeout: float) -> None:
    """Let whatever is ready take its turn until nothing runs any more."""
    work = current_job()
    deadline = time.monotonic() + timeout
    ask_at = 0.0
    while running:
        now = time.monotonic()
        if now >= deadline:
            raise _Broken(f"it took longer than {timeout:g} s")
        if now >= ask_at:
            ask_at = now + CANCEL_SECONDS
            if work.cancelled():
                raise Cancelled("cannot go on: the operation was cancelled")
        for key, _ in selector.select(min(deadline, ask_at) - now):
            if key.data():
                selector.unregister(key.fileobj)


class _Ended:
    """Strikes a child off when it has ended."""

    def __init__(self, child: Child, running: set[Child]) -> None:
        self.child = child
        self.running = running

    def __call__(self) -> bool:
        self.running.discard(self.child)
        return True


class _Feed:
    """Writes what a child takes, then closes its input."""

    def __init__(self, stream: IO[bytes], data: bytes) -> None:
        self.stream = stream
        self.rest = memoryview(data)
        os.set_blocking(stream.fileno(), False)

    def __call__(self) -> bool:
        try:
            self.rest = self.rest[os.write(self.stream.fileno(), self.rest[:CHUNK]) :]
        except BrokenPipeError:
            self.rest = self.rest[:0]
        if self.rest:
            return False
        self.stream.close()
        return True


class _Read:
    """Reads what a child prints."""

    def __init__(self, stream: IO[bytes], sink: Sink) -> None:
        self.stream = stream
        self.sink = sink
        self.ended = False
        os.set_blocking(stream.fileno(), False)

    def __call__(self) -> bool:
        chunk = os.read(self.stream.fileno(), CHUNK)
        if chunk:
            self.sink(chunk)
        self.ended = not chunk
        return self.ended

    def drain(self) -> None:
        """Read what is left in a full pipe, but wait for nobody: what the child left running may hold it open."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(1 + (1 << 20) // CHUNK):
                if self.ended or self():
                    return
