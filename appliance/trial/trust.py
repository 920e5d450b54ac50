"""The engine's certificate authority in the machine's store: put there when asked for, taken out with the home."""

import shutil
import subprocess
from pathlib import Path

from appliance.trial import messages
from origo.errors import NotFound

STORE = Path("/usr/local/share/ca-certificates")
AUTHORITY = Path("keys", "front", "authority.crt")
NOTE = ".origo-try-trusted"
"""In the home: the name of the certificate in the store."""


def give(path: Path) -> None:
    """Let this machine trust certificates that the engine of this home signs."""
    authority = path / AUTHORITY
    if not authority.is_file():
        raise NotFound(f"cannot trust the engine's certificates: there is no {authority}")
    target = STORE / f"origo-try-{path.as_posix().strip('/').replace('/', '-')}.crt"
    (path / NOTE).write_text(f"{target.name}\n")
    shutil.copyfile(authority, target)
    update()
    messages.say("this machine trusts the engine's certificates now:", target)


def withdraw(path: Path) -> None:
    """Take it out again, if it was put there."""
    note = path / NOTE
    if note.is_file():
        target = STORE / Path(note.read_text().strip()).name
        target.unlink(missing_ok=True)
        # Without it the store's links to the certificate stay, and lead nowhere.
        update("--fresh")
        note.unlink()
        messages.say("this machine no longer trusts the engine's certificates")


def update(*options: str) -> None:
    """Let Debian gather the store's certificates again."""
    subprocess.run(["update-ca-certificates", *options], check=True, capture_output=True)
