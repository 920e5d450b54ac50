"""What became of an upgrade: proven once the new program has run for a while, or told when the former is back."""

import os
from pathlib import Path

from origo.operations.core import Core
from origo.services import issues

FOLDER = "upgrade"
"""In the home. The package puts `from` there, the runs of daemons that were replaced (as systemd counts them); its
program `go-back` leaves `failed` (version, the one before, systemd's word for what happened) and `log`."""
ISSUE = "engine/upgrade"
WHY = {"timeout": "it did not answer in time", "watchdog": "it hung"}
REPORTED = 3
LONGEST = 200


def look(core: Core) -> None:
    """Let there be an issue if this is the former program, because the newer one did not run."""
    failed = Path(core.config.path(FOLDER, "failed"))
    report = failed.read_text(errors="replace").splitlines() if failed.is_file() else []
    if len(report) != REPORTED or not all(report):  # a power cut can damage it
        issues.end(core.events, ISSUE)
        return
    newer, former, result = report
    log = failed.with_name("log")
    said = log.read_text(errors="replace").split("\n") if log.exists() else []
    reasons = [line.strip() for line in said if line.strip() and not line.startswith(" ")]  # a hint is indented
    last = reasons[-1] if reasons else "it ended"
    sentence = f"Origo {newer} does not run, and {former} does again: {WHY.get(result) or last[:LONGEST]}"
    remedy = f"{log} has its words; install a later version when there is one, as ever"
    issues.raise_(core.events, ISSUE, sentence, remedy=remedy, severity="error")


def prove(core: Core) -> None:
    """Note that the program which runs now has run for a while: there is no going back from it by itself."""
    begun = Path(core.config.path(FOLDER, "from"))
    if begun.is_file() and os.environ.get("INVOCATION_ID", "") not in begun.read_text().split():
        begun.unlink()
        begun.with_name("ends").unlink(missing_ok=True)
