"""What stands before a command to run it with less: less priority, less memory and time, another user's rights."""

from collections.abc import Mapping, Sequence

from origo.host.contract import Limits
from origo.host.group import VARIABLE

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}
NICED = ("nice", "-n", "10", "ionice", "-c", "2", "-n", "7")


def environment(group: str, added: Mapping[str, str] | None) -> dict[str, str]:
    """All the variables that a command gets."""
    return {VARIABLE: group, **ENVIRONMENT, **(added or {})}


def prefix(*, niced: bool, user: tuple[int, int] | None, limits: Limits | None) -> list[str]:
    """The programs of util-linux and coreutils that reduce themselves and then become the command.

    `user` are the numbers of a user and its group. Nothing runs between fork and exec in a daemon with many threads.
    """
    words: list[str] = list(NICED) if niced else []
    if limits:
        words += _limited(limits)
    if user:
        words += ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups"]
        words += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return words


def _limited(limits: Limits) -> Sequence[str]:
    words = ["prlimit", "--core=0"]
    if limits.memory_bytes is not None:
        words.append(f"--as={limits.memory_bytes}")
    if limits.cpu_seconds is not None:
        words.append(f"--cpu={limits.cpu_seconds}")
    if limits.file_bytes is not None:
        words.append(f"--fsize={limits.file_bytes}")
    return words
