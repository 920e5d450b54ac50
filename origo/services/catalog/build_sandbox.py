"""Commands of a recipe run as nobody: root in namespaces of their own, who owns nothing on this machine."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from origo.services.catalog.build_work import Work

SCRIPTS = Path(__file__).parent / "full"
ROOT_INSIDE = 2_000_000_000
"""The user on this machine that is root inside; the same number stands in sandbox.py."""
MOST_LINES = 20_000
"""Of one run, so many lines go to the log."""
INSIDE = "/mnt"
"""Where the folder of the build appears inside."""


def prepare(folder: Path) -> None:
    """Make the folder that the sandbox may write into."""
    folder.mkdir()
    os.chown(folder, ROOT_INSIDE, ROOT_INSIDE)
    for script in SCRIPTS.glob("*.sh"):
        give(folder / script.name, script.read_bytes(), 0o755)


def give(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file into the folder of the sandbox, which can read but not change it."""
    path.write_bytes(data)
    path.chmod(mode)


def run(
    work: Work,
    folder: Path,
    argv: Sequence[str],
    *,
    source: Path | None = None,
    output: Path | None = None,
    shown: Mapping[Path, str] | None = None,
    online: bool = False,
) -> None:
    """Run `argv` in the sandbox with `folder` as /mnt, the file `source` as its input and `output` as its output.

    `shown` are files to be seen at another path inside. It reaches no network unless it is `online`; every line that
    it prints goes to the log.
    """
    options = [] if online else ["--offline"]
    options += ["--input", str(source)] if source else []
    options += ["--output", str(output)] if output else []
    launch = [sys.executable, "-I", str(SCRIPTS / "sandbox.py"), *options, "--bind", str(folder), INSIDE]
    launch += [word for path, inside in (shown or {}).items() for word in ("--bind", str(path), inside)]
    work.host.stream([*launch, *argv], _bounded(work.log), timeout=7200, env={"TMPDIR": INSIDE, "HOME": INSIDE})


def _bounded(log: Callable[[str], None]) -> Callable[[str], None]:
    """A log that a command cannot fill up."""
    count = 0

    def on_line(line: str) -> None:
        nonlocal count
        count += 1
        if count <= MOST_LINES:
            log(line[:1000] if count < MOST_LINES else "(and more lines)")

    return on_line
