"""One shared OpenSSH connection to a machine whose key is known: made when needed, noticed when lost."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from origo.errors import CommandFailed, Unavailable
from origo.host import process
from origo.host.argv import ENVIRONMENT
from origo.host.contract import Command

TRUST_SECONDS = 5
"""How long a connection that was seen is taken to be there still; a command that finds it gone makes its own."""
IDLE_SECONDS = 600
"""When the shared connection ends by itself."""


class Connection:
    """The ssh clients for one machine. Two that are made alike share what is there, also across processes."""

    def __init__(
        self, name: str, address: str, *, port: int, login: str, host_key: str, identity: str, folder: str
    ) -> None:
        self.name = name
        self.address = address
        self.folder = Path(folder)
        self.host_key = host_key.strip()
        alike = "\n".join([address, str(port), login, self.host_key, identity])
        self.label = hashlib.sha256(alike.encode()).hexdigest()[:12]
        self.seen = -float(TRUST_SECONDS)
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ControlPath": self._quoted("socket"),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": self.label,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": identity.replace("%", "%%"),
            "LogLevel": "ERROR",
            "PreferredAuthentications": "publickey",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": "5",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self._quoted("known"),
        }
        self.options = ["-F", "none", "-T", "-p", str(port), "-l", login]
        self.options += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def argv(self, line: str) -> list[str]:
        """The client that has that machine's shell run `line`, over the shared connection. Raises Unavailable."""
        self._connect()
        return ["ssh", *self.options, "--", self.address, line]

    def lost(self, printed: str) -> Unavailable | None:
        """The error to raise for a client that failed, unless the connection is fine."""
        self.seen = -TRUST_SECONDS
        if self._is_there():
            return None
        return self._unavailable(printed)

    def close(self) -> None:
        """End the shared connection, if there is one."""
        self.seen = -TRUST_SECONDS
        self._ssh(["-O", "exit"], check=False)

    def _connect(self) -> None:
        if time.monotonic() - self.seen < TRUST_SECONDS:
            return
        with self._alone():
            if not self._is_there():
                self._start()
        self.seen = time.monotonic()

    def _start(self) -> None:
        self._path("socket").unlink(missing_ok=True)
        self._path("known").write_text("".join(f"{self.label} {key}\n" for key in self.host_key.splitlines()))
        master = ["-o", "ControlMaster=yes", "-o", f"ControlPersist={IDLE_SECONDS}", "-N", "-f"]
        try:
            self._ssh(master, check=True)
        except CommandFailed as error:
            raise self._unavailable(error.details["error"] or error.details["reason"]) from error

    def _is_there(self) -> bool:
        return self._ssh(["-O", "check"], check=False) == 0

    def _ssh(self, words: Sequence[str], *, check: bool) -> int:
        """Run a client that belongs to no job's group: the connection outlives the job that first needed it."""
        argv = ("ssh", *self.options, *words, "--", self.address)
        command = Command(argv, ENVIRONMENT, ("ssh",), group="")
        return process.run(command, lambda group: None, input=b"", timeout=30, check=check).code

    def _unavailable(self, printed: str) -> Unavailable:
        reason = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "the connection broke")
        hint = f"check that {self.name} runs and that its ssh server answers at {self.address}"
        if "Host key verification failed" in reason or "Permission denied" in reason:
            hint = "check that it is the same machine as when it was added, and that the engine's key is still there"
        return Unavailable(f"cannot reach {self.name} ({self.address}): {reason}", hint=hint)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one thread of all processes at a time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.label}.{ending}"

    def _quoted(self, ending: str) -> str:
        """A path as ssh's options want it: `%` starts a token there, and a space a second value."""
        return '"' + str(self._path(ending)).replace("%", "%%") + '"'
