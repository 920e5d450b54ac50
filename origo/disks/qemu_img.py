"""How qemu-img is run: its errors as sentences, its progress as the job's, its output marked until it is complete."""

import re
from collections.abc import Sequence

from origo.errors import BadImage, CommandFailed, Conflict, NoRoom, NotFound, OrigoError, Unavailable
from origo.host import Host, Limits, report

UNFINISHED = 0o1000
"""The sticky bit, which means nothing on a file: the mark of an image that is not complete yet."""
WORKING_MODE = UNFINISHED | 0o600
FINISHED_MODE = 0o600
PROGRESS = re.compile(r"\((\d+(?:\.\d+)?)/100%\)")
NO_ROOM = ("No space left on device", "Disk quota exceeded")
IN_USE = ("Failed to get", "lock")


def run(host: Host, argv: Sequence[str], verb: str, path: str, *, limits: Limits | None = None) -> bytes:
    """Its output; errors are told as those of doing `verb` to the image at `path`."""
    try:
        return host.run(argv, limits=limits, timeout=600).out
    except CommandFailed as failure:
        raise error(failure, verb, path) from failure


def run_long(host: Host, argv: Sequence[str], verb: str, path: str, *, limits: Limits | None = None) -> None:
    """The same for a command that lasts and, given -p, prints its progress."""

    def on_line(line: str) -> None:
        if found := PROGRESS.search(line):
            report(float(found[1]) / 100, f"{verb} {name(path)}")

    try:
        host.stream(argv, on_line, limits=limits)
    except CommandFailed as failure:
        raise error(failure, verb, path) from failure


def error(failure: CommandFailed, verb: str, path: str) -> OrigoError:
    """What a person is told when a command failed."""
    if failure.details.get("code") == 127:
        what = f"cannot {verb} image {name(path)}"
        return Unavailable(f"{what}: {failure.message}", hint="install the package it comes from, then try again")
    return explained(failure.details.get("error", ""), failure.details.get("reason", ""), verb, path)


def explained(printed: str, otherwise: str, verb: str, path: str) -> OrigoError:
    """The error for what qemu-img printed; `otherwise` is the reason if that says none."""
    what = f"cannot {verb} image {name(path)}"
    if any(words in printed for words in NO_ROOM):
        return NoRoom(f"{what}: there is no room left for it", hint="free some space, or use another pool")
    if all(words in printed for words in IN_USE):
        return Conflict(f"{what}: it is in use", hint="stop the server that has it, then try again")
    said = [line.removeprefix("qemu-img: ") for line in printed.splitlines() if line.startswith("qemu-img: ")]
    kind = NotFound if "No such file or directory" in printed else BadImage
    return kind(f"{what}: {plain(said[0] if said else otherwise)}")


def name(path: str) -> str:
    """What a person calls the image at a path."""
    return plain(path.rpartition("/")[2])


def plain(text: str) -> str:
    """Text of unknown origin as it may be shown: one short line without control characters."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= 200 else shown[:200] + "…"


def begin(host: Host, path: str, *, user: str = "root") -> bool:
    """Put an empty file there, marked as unfinished, for `user` to fill; False if a finished one is there already.

    What an earlier attempt left unfinished is replaced.
    """
    try:
        if not host.stat(path).mode & UNFINISHED:
            return False
    except NotFound:
        pass
    host.write(path, b"", mode=WORKING_MODE)
    if user != "root":
        host.protect(path, mode=WORKING_MODE, user=user)
    return True


def finish(host: Host, path: str) -> None:
    """Have it on disk, then take the mark away; and it is root's."""
    host.run(["sync", path], timeout=3600)
    host.protect(path, mode=FINISHED_MODE, user="root")
