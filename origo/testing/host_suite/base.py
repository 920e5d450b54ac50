"""What all clauses of the contract Host share: the fixtures to give, and processes to find again."""

import shlex
import time
import uuid
from collections.abc import Iterator

import pytest

from origo.host import Host


class HostSuite:
    """Clauses of the contract Host. Needs root on the host; only what is below `scratch` is changed."""

    user = "nobody"
    """Somebody unprivileged there."""

    @pytest.fixture
    def host(self) -> Host:
        """The host to try."""
        raise NotImplementedError

    @pytest.fixture
    def scratch(self) -> str:
        """The path of an empty folder there, on a file system with a few free MiB, that everybody may enter."""
        raise NotImplementedError

    @pytest.fixture
    def mark(self, host: Host) -> Iterator[str]:
        """A word in the argv of processes to find again; what carries it is ended after the test."""
        word = f"mark-{uuid.uuid4().hex[:12]}"
        yield word
        host.run(["pkill", "-KILL", "-f", word], check=False)

    def sleeper(self, mark: str, before: str = "") -> list[str]:
        """A command that stays, findable by `mark`."""
        return ["sh", "-c", f"{before} while true; do sleep 1; done", mark]

    def in_background(self, mark: str, before: str = "") -> list[str]:
        """A command that returns at once and leaves a process in a session of its own behind."""
        argv = shlex.join(self.sleeper(mark, before))
        return ["sh", "-c", f"setsid {argv} >/dev/null 2>&1 </dev/null &"]

    def alive(self, host: Host, mark: str) -> int:
        """How many processes carry the mark."""
        pattern = f"[{mark[0]}]{mark[1:]}"  # which does not match the words of this very search
        return len(host.run(["pgrep", "-f", pattern], check=False).text.split())

    def wait_alive(self, host: Host, mark: str, count: int = 1) -> None:
        """Wait until that many processes carry the mark."""
        deadline = time.monotonic() + 10
        while self.alive(host, mark) < count:
            assert time.monotonic() < deadline, "the process to end did not start"
            time.sleep(0.05)
