"""Image files from outside: looked at and taken in inside a sandbox where nothing else is to be found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from origo.disks import magic, qemu_img
from origo.disks.image import CheckFacts, DiskFacts, check_from, facts_from
from origo.errors import BadImage, CommandFailed, NoRoom, NotFound, OrigoError, Unavailable, size
from origo.host import FileFacts, Host, Limits

LARGEST_BYTES = 64 << 40
"""No disk is larger than 64 TiB; a header that says so is a trap."""
MOST_SNAPSHOTS = 100
LOOK_LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=60, file_bytes=0)
COPY_MEMORY_BYTES = 2 << 30
# $1 is which file it must be, the rest a command. What was put in its place meanwhile is not looked at.
ENTER = """
if [ "$(stat -c %d:%i /source)" != "$1" ]; then echo "it was replaced meanwhile" >&2; exit 90; fi
if [ ! -r /source ]; then echo "it may not be read" >&2; exit 91; fi
shift
exec "$@"
"""
REPLACED, UNREADABLE = 90, 91
BOTH_ENDS = f"head -c {magic.HEAD_BYTES} /source; tail -c {magic.TAIL_BYTES} /source"


@dataclass(frozen=True)
class Sandbox:
    """Where a command runs as `user`, sees programs and libraries, `/source`, `/target`, and no network."""

    host: Host
    source: str
    identity: str
    user: str
    target: str | None = None

    def argv(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` in it."""
        uid, gid = (self.host.run(["id", option, "--", self.user]).text.strip() for option in ("-u", "-g"))
        bubble = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--die-with-parent"]
        bubble += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        bubble += ["--cap-add", "CAP_SETPCAP", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]
        bubble += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--dev", "/dev"]
        bubble += ["--proc", "/proc", "--ro-bind", self.source, "/source", "--chdir", "/"]
        if self.target:
            bubble += ["--bind", self.target, "/target"]
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        drop += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        return [*bubble, "--", *drop, "sh", "-c", ENTER, "sh", self.identity, *words]

    def look(self, words: Sequence[str]) -> bytes:
        """What a short command in it prints."""
        try:
            return self.host.run(self.argv(words), limits=LOOK_LIMITS, timeout=120).out
        except CommandFailed as failure:
            raise refusal(failure, self.source, self.user) from failure


def examine(host: Host, path: str, *, user: str, room_bytes: int) -> DiskFacts:
    """Facts of a file that may be hostile, without believing or following anything in it.

    Raises BadImage for whatever is not one plain, whole image of a format that is taken, NoRoom for one larger than
    `room_bytes`. `user` is somebody unprivileged, who must be allowed to read the file (not the folders above it).
    """
    what = f"cannot import image {qemu_img.name(path)}"
    file = host.stat(path)
    if file.kind != "file":
        raise BadImage(f"{what}: it is no regular file")
    if not file.size_bytes:
        raise BadImage(f"{what}: it is empty")
    sandbox = Sandbox(host, path, file.identity, user)
    ends = sandbox.look(["sh", "-c", BOTH_ENDS])
    tail_bytes = min(file.size_bytes, magic.TAIL_BYTES)
    kind = magic.recognise(ends[:-tail_bytes], ends[-tail_bytes:], file.size_bytes, what)
    if file.size_bytes < kind.least_bytes:
        raise BadImage(f"{what}: it is cut off: {size(kind.least_bytes - file.size_bytes)} are missing at its end")
    facts = _qcow2(sandbox, what) if kind.format == "qcow2" else _plain(file, kind.format)
    if facts.size_bytes > LARGEST_BYTES:
        raise BadImage(f"{what}: it claims to be a disk of {size(facts.size_bytes)}")
    if facts.size_bytes > room_bytes:
        raise NoRoom(
            f"{what}: it is a disk of {size(facts.size_bytes)}, and there is room for {size(room_bytes)}",
            hint="free some space, or use another pool",
        )
    return facts


def import_file(
    host: Host, source: str, target: str, *, facts: DiskFacts, user: str, target_format: str = "qcow2"
) -> None:
    """Write what an examined file holds into an image of our own, with progress; the file itself is left as it is.

    `facts` are those that `examine` returned; BadImage if it is not that file any more. A target that is finished is
    left as it is.
    """
    if not qemu_img.begin(host, target, user=user):
        return
    sandbox = Sandbox(host, source, facts.identity, user, target)
    format = "qcow2" if facts.format == "qcow2" else "raw"
    words = ["qemu-img", "convert", "-p", "-f", format, "-O", target_format, "/source", "/target"]
    # Tables of a qcow2 file take less than a thousandth of what they describe.
    limits = Limits(memory_bytes=COPY_MEMORY_BYTES, file_bytes=facts.size_bytes + facts.size_bytes // 500 + (64 << 20))
    try:
        qemu_img.run_long(host, sandbox.argv(words), "import", source, limits=limits)
    except OrigoError as error:
        if isinstance(error.__cause__, CommandFailed):
            raise refusal(error.__cause__, source, user) from error
        raise
    # What came out of the sandbox is believed no more than what went in.
    made = _facts(Sandbox(host, target, host.stat(target).identity, user), target_format)
    size = -(-facts.size_bytes // magic.SECTOR) * magic.SECTOR
    if (made.size_bytes, made.backing, made.data_file) != (size, None, None):
        raise BadImage(f"cannot import image {qemu_img.name(source)}: it was changed meanwhile")
    qemu_img.finish(host, target)


def refusal(failure: CommandFailed, path: str, user: str) -> OrigoError:
    """The error to tell for a command that failed in the sandbox."""
    what = f"cannot import image {qemu_img.name(path)}"
    details = failure.details
    if details.get("code") == REPLACED:
        return BadImage(f"{what}: it was replaced meanwhile")
    if details.get("code") == UNREADABLE:
        return BadImage(f"{what}: {user} may not read it", hint=f"allow it with: chmod o+r {path}")
    if details.get("code") in (126, 127) or details.get("error", "").startswith(("bwrap: ", "setpriv: ")):
        return Unavailable(
            f"{what}: the sandbox for it cannot be made ({qemu_img.plain(failure.message)})",
            hint="install the packages bubblewrap and qemu-utils",
        )
    return _unlike(details.get("error", ""), details.get("reason", failure.message), path)


def _unlike(printed: str, otherwise: str, path: str) -> OrigoError:
    """The error for what qemu-img printed in the sandbox, where the file has another name and nothing else is found."""
    error = qemu_img.explained(printed.replace("Could not open '/source': ", ""), otherwise, "import", path)
    return BadImage(error.message) if isinstance(error, NotFound) else error


def _plain(file: FileFacts, format: str) -> DiskFacts:
    return DiskFacts(format, file.size_bytes, file.allocated_bytes, identity=file.identity)


def _facts(sandbox: Sandbox, format: str) -> DiskFacts:
    info = sandbox.look(["qemu-img", "info", "--output=json", "-f", format, "/source"])
    return facts_from(json.loads(info), identity=sandbox.identity)


def _qcow2(sandbox: Sandbox, what: str) -> DiskFacts:
    """Facts of a qcow2 file that is whole and refers to nothing outside itself."""
    facts = _facts(sandbox, "qcow2")
    for other in (facts.backing, facts.data_file):
        if other is not None:
            raise BadImage(
                f"{what}: it refers to another file ({qemu_img.plain(other)})",
                hint="make it whole where that file is: qemu-img convert -O qcow2 FILE whole.qcow2",
            )
    if facts.encrypted:
        raise BadImage(f"{what}: it is encrypted", hint="decrypt it first")
    if facts.snapshots > MOST_SNAPSHOTS:
        raise BadImage(f"{what}: it has {facts.snapshots} snapshots inside", hint="remove them: qemu-img snapshot -d")
    found = _checked(sandbox)
    if found.corruptions or facts.corrupt:
        raise BadImage(f"{what}: it is damaged or cut off", hint="repair it: qemu-img check -r all FILE")
    return replace(facts, format="qcow2")


def _checked(sandbox: Sandbox) -> CheckFacts:
    argv = sandbox.argv(["qemu-img", "check", "--output=json", "-f", "qcow2", "/source"])
    result = sandbox.host.run(argv, limits=LOOK_LIMITS, timeout=120, check=False)
    found = check_from(result)
    if found is None:
        raise _unlike(result.err.decode(errors="replace"), "its tables cannot be read", sandbox.source)
    return found
