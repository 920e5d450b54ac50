"""A server's screen and serial line: an optional ability of a hypervisor."""

from abc import ABC, abstractmethod


class ConsoleStream(ABC):
    """An open serial line: bytes in both directions until either side closes."""

    @abstractmethod
    def receive(self, timeout: float) -> bytes | None:
        """The next bytes; None when nothing came for `timeout` seconds, b"" when the line was closed."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Type these bytes. Raises Unavailable when the line is closed."""

    @abstractmethod
    def close(self) -> None:
        """Hang up; twice is fine."""


class Consoles(ABC):
    """A driver class that also inherits this one offers consoles."""

    @abstractmethod
    def serial(self, id: str) -> ConsoleStream:
        """Open the serial line of a running server; who had it open is cut off. Raises NotFound, or Conflict."""

    @abstractmethod
    def screen(self, id: str) -> tuple[str, int]:
        """Address and port of a running server's VNC screen on its host. Raises NotFound, Conflict if stopped."""
