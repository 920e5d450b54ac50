"""A distant machine as a Host, by OpenSSH alone: nothing of Origo is installed there."""

import secrets
import shlex
import time
from collections.abc import Mapping, Sequence

from origo.errors import CommandFailed, OrigoError, TooLarge, Unavailable, size
from origo.host import files, process, scripts
from origo.host.argv import environment, prefix
from origo.host.commands import CommandHost
from origo.host.connection import Connection
from origo.host.contract import Command, FileFacts, Job, Limits, Space, current_job, job
from origo.host.group import GRACE_SECONDS, PATIENCE_SECONDS, VARIABLE

LOST = 255
"""The status of the ssh client when the connection, not the command, failed."""


class SshHost(CommandHost):
    """A machine reached by ssh as root, over one shared connection."""

    def __init__(
        self,
        name: str,
        address: str,
        *,
        host_key: str,
        identity: str,
        folder: str,
        port: int = 22,
        login: str = "root",
    ) -> None:
        """`host_key` is its public key (`ssh-ed25519 AAAA…`), `identity` the path of our private one.

        `folder` is a private folder of this machine, for the shared connection's socket; its path must be short.
        """
        self.name = name
        self._connection = Connection(
            name, address, port=port, login=login, host_key=host_key, identity=identity, folder=folder
        )
        self._users: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """End the shared connection; the next command makes a new one."""
        self._connection.close()

    def command(
        self,
        argv: Sequence[str],
        *,
        niced: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
    ) -> Command:
        """The ssh client to start here for a command there; both carry the group."""
        return self._command(argv, niced=niced, env=env, user=user, limits=limits)

    def _command(
        self,
        argv: Sequence[str],
        *,
        niced: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        limits: Limits | None = None,
        ending: str = "",
    ) -> Command:
        """The same, with `ending` as the shell's word after the command."""
        work = current_job()
        work.hosts.add(self)
        group = work.group or f"command-{secrets.token_hex(8)}"
        words = prefix(niced=niced, user=self._user(user) if user else None, limits=limits)
        variables = [f"{name}={value}" for name, value in environment(group, env).items()]
        # The shell stays as the parent: a command that dies by a signal then has a status (128 + its number).
        line = f"cd / && {shlex.join(['env', '-i', *variables, *words, *argv])}{ending}; exit $?"
        return Command(
            tuple(self._connection.argv(line)),
            environment(group, None),
            tuple(argv),
            group,
            where=f" on {self.name}",
            explain=self._explain,
        )

    def command_of_lines(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None, user: str | None, limits: Limits | None
    ) -> Command:
        """Both outputs are one there already: as two, what was printed first may arrive last."""
        return self._command(argv, niced=True, env=env, user=user, limits=limits, ending=" 2>&1")

    def end(self, group: str) -> None:
        """End every process there that carries the group, whoever started it."""
        if not group:
            raise ValueError("a group needs a name")
        started = time.monotonic()
        sign = "TERM"
        with job(Job(group="")):  # the job whose processes these are may be cancelled: that must not stop this
            while numbers := self._signal(group, sign):
                age = time.monotonic() - started
                if age > PATIENCE_SECONDS:
                    raise Unavailable(
                        f"cannot end the processes {numbers} of {group} on {self.name}: they do not react to SIGKILL",
                        hint="their storage may hang: look for errors with `dmesg | tail` there",
                    )
                sign = "KILL" if age > GRACE_SECONDS else "0"
                time.sleep(0.1)

    def read(self, path: str, *, limit: int = 16 << 20) -> bytes:
        """A whole file of that machine."""
        data = self._script("read", path, scripts.READ, str(limit + 1), limit=limit + 1)
        if len(data) > limit:
            raise TooLarge(f"cannot read {path} on {self.name}: it is larger than {size(limit)}")
        return data

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Replace a file by a new one beside it; what arrived only in part, because the connection broke, is not it."""
        fresh, folder = files.fresh(path), path.rpartition("/")[0]
        self._script("write", path, scripts.WRITE, fresh, f"{mode:o}", str(len(data)), f"{folder}/", input=data)

    def stat(self, path: str) -> FileFacts:
        """Facts of a file, links not followed."""
        words = self._script("find", path, scripts.STAT).decode().split()
        size, blocks, block_size, uid = (int(word) for word in words[1:5])
        return files.facts(int(words[0], 16), size, blocks * block_size, uid, float(words[5]), words[6])

    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
        names = self._script("list", path, scripts.LIST).split(b"\0")[:-1]
        return sorted(name.decode(errors="surrogateescape") for name in names)

    def make_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Make a folder and those above it."""
        self._script("make the folder", path, scripts.MAKE_FOLDER, f"{mode:o}")

    def rename(self, path: str, target: str) -> None:
        """Rename, then have both folders on disk."""
        self._script("rename", path, scripts.RENAME, target)

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder."""
        self._script("remove", path, scripts.REMOVE, files.fresh(path))

    def protect(self, path: str, *, mode: int, user: str | None = None) -> None:
        """Set owner and permission bits, never of what a link points to."""
        owner = "{}:{}".format(*self._user(user)) if user else ""
        self._script("protect", path, scripts.PROTECT, f"{mode:o}", owner)

    def space(self, path: str) -> Space:
        """The room of the file system that holds `path`."""
        size, blocks, free = (int(word) for word in self._script("find", path, scripts.SPACE).split())
        return Space(blocks * size, free * size)

    def _script(
        self, verb: str, path: str, script: str, *arguments: str, input: bytes = b"", limit: int = process.OUTPUT_LIMIT
    ) -> bytes:
        """What one of our scripts prints about a path; when it fails, its error as a sentence."""
        command = self.command(["sh", "-c", script, "sh", path, *arguments])
        try:
            return process.run(command, self.end, input=input, timeout=120, check=True, limit=limit).out
        except CommandFailed as error:
            printed = error.details["error"] or error.details["reason"]
            raise files.error(verb, path, printed, where=f" on {self.name}") from error

    def _signal(self, group: str, sign: str) -> Sequence[int]:
        """Send a signal to all of a group; their numbers. Too slow an answer counts as none."""
        command = self.command(["sh", "-c", scripts.SIGNAL, "sh", f"{VARIABLE}={group}", sign])
        try:
            found = process.run(command, lambda group: None, input=b"", timeout=30, check=True)
        except CommandFailed as error:
            raise Unavailable(
                f"cannot end the processes of {group} on {self.name}: {error.details['reason']}"
            ) from error
        return [int(word) for word in found.out.split()]

    def _user(self, name: str) -> tuple[int, int]:
        if name not in self._users:
            try:
                words = self.run(["sh", "-c", 'id -u -- "$1" && id -g -- "$1"', "sh", name]).text.split()
            except CommandFailed:
                message = f"cannot run anything as {name}: there is no such user on {self.name}"
                raise CommandFailed(message) from None
            self._users[name] = (int(words[0]), int(words[1]))
        return self._users[name]

    def _explain(self, code: int, printed: str) -> OrigoError | None:
        return self._connection.lost(printed) if code == LOST else None
