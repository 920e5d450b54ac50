"""What every hypervisor with consoles must keep: subclass `ConsolesSuite` beside `HypervisorSuite`.

Numbers are those of the clauses in docs/reference/contract-consoles.md.
"""

import time

import pytest

from origo.contracts import Consoles, ConsoleStream, Hypervisor, ServerSpec
from origo.errors import Conflict, NotFound, Unavailable

SECONDS = 30


def read_until(stream: ConsoleStream, wanted: bytes, seconds: float = SECONDS) -> bytes:
    """What the line says until `wanted` is in it, or the time is over."""
    seen, deadline = b"", time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < deadline:
        seen += stream.receive(0.2) or b""
    return seen


def hung_up(stream: ConsoleStream) -> bool:
    """Whether the line ends within the time."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if stream.receive(0.1) == b"":
            return True
    return False


class ConsolesSuite:
    """Clauses of the contract Consoles. The guest of the fixture `disk` echoes what is typed on its serial line."""

    def test_01_what_is_typed_comes_back(self, driver: Hypervisor, spec: ServerSpec) -> None:
        stream = self.line(driver, spec)
        stream.send(b"hello\n")
        assert b"hello" in read_until(stream, b"hello")
        stream.close()

    def test_02_a_line_that_was_hung_up_says_so(self, driver: Hypervisor, spec: ServerSpec) -> None:
        stream = self.line(driver, spec)
        stream.close()
        stream.close()
        assert hung_up(stream)
        with pytest.raises(Unavailable):
            stream.send(b"x")

    def test_03_the_screen_listens_on_loopback(self, driver: Hypervisor, spec: ServerSpec) -> None:
        self.line(driver, spec).close()
        assert isinstance(driver, Consoles)
        address, port = driver.screen(spec.id)
        assert (address, port >= 5900) == ("127.0.0.1", True)

    def test_04_a_stopped_server_has_no_console_and_an_absent_one_none_at_all(
        self, driver: Hypervisor, spec: ServerSpec
    ) -> None:
        assert isinstance(driver, Consoles)
        for method in (driver.serial, driver.screen):
            with pytest.raises(NotFound):
                method(spec.id)
        driver.define(spec)
        for method in (driver.serial, driver.screen):
            with pytest.raises(Conflict):
                method(spec.id)

    def test_05_who_opens_a_line_cuts_off_who_had_it(self, driver: Hypervisor, spec: ServerSpec) -> None:
        first = self.line(driver, spec)
        assert isinstance(driver, Consoles)
        second = driver.serial(spec.id)
        assert hung_up(first)
        second.send(b"mine now")
        assert b"mine now" in read_until(second, b"mine now")
        driver.stop(spec.id, force=True)
        assert hung_up(second)

    def test_06_what_nobody_reads_at_once_is_not_lost(self, driver: Hypervisor, spec: ServerSpec) -> None:
        stream = self.line(driver, spec)
        text = b"".join(b"%06d " % number for number in range(50)) + b"end"
        stream.send(text)
        time.sleep(0.5)
        assert text in read_until(stream, b"end")
        stream.close()

    def line(self, driver: Hypervisor, spec: ServerSpec) -> ConsoleStream:
        """The serial line of a started server."""
        assert isinstance(driver, Consoles)
        driver.define(spec)
        driver.start(spec.id)
        return driver.serial(spec.id)
