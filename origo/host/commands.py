"""A machine whose commands are, or are carried by, processes of this one: how they are run, whatever carries them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

from origo.host import process
from origo.host.contract import Command, Host, Limits, Result


class CommandHost(Host):
    """What the local and a distant machine have in common: they differ in `command` alone."""

    @abstractmethod
    def command(
        self,
        argv: Sequence[str],
        *,
        niced: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Command:
        """The process of this machine to start for it, without starting it."""

    def command_of_lines(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None, user: str | None, limits: Limits | None
    ) -> Command:
        """The same for a long command whose two outputs are read as one."""
        return self.command(argv, niced=True, env=env, user=user, limits=limits)

    def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes = b"",
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """Run a short command to its end."""
        command = self.command(argv, env=env, user=user, limits=limits)
        return process.run(command, self.end, input=input, timeout=timeout, check=check)

    def stream(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        input: bytes = b"",
        timeout: float = 24 * 3600,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Run a long command, niced, and hand over its lines."""
        command = self.command_of_lines(argv, env=env, user=user, limits=limits)
        process.stream(command, self.end, on_line, input=input, timeout=timeout)

    def pipe(
        self, argv: Sequence[str], target: Host, target_argv: Sequence[str], *, timeout: float = 24 * 3600
    ) -> None:
        """Run `argv` with its output, through this machine, as the input of `target_argv` on `target`."""
        source = self.command(argv, niced=True)
        process.pipe(source, self.end, target.command(target_argv, niced=True), target.end, timeout=timeout)
