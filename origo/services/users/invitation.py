"""The set-up link where who stands at the machine sees it: in the journal and above the console's log-in prompt."""

import re
from pathlib import Path

from origo import log
from origo.model import database
from origo.operations.core import Core
from origo.secrets import fingerprint
from origo.services import engine
from origo.services.engine import door
from origo.services.users import passwords

FILE = "/run/issue.d/origo.issue"
"""What agetty shows; it reads it as root, and nobody else may."""
AWAITED = """Origo is not set up yet. Open this link, which is good once, in a browser at any machine:
  {url}
{shown}It can also be set up here, by root: origo setup
"""
CERTIFICATE = """Nobody vouches for its certificate yet, so the browser will warn. It is the right one if its SHA-256 is
  {fingerprint}
"""
ELSEWHERE = """Origo is not set up yet. Its set-up link was asked for: `origo users setup-link` gives a new one.
"""

_log = log.get("invitation")


class Invitation:
    """Invites as long as there is no administrator. A link that is good stays; one that is too old is made anew.

    One that somebody asks for by `origo users setup-link` ends the one shown here, which then makes no other.
    """

    def __init__(self, core: Core, path: str = FILE) -> None:
        self.core = core
        self.path = path
        self.over = False
        """Set once there is an administrator: nothing is left to be done."""
        self._begun = False

    def look(self) -> None:
        """Show a good link, or withdraw it."""
        if passwords.has_administrator():
            if self._shown():
                self.core.local.remove(self.path)
                self._redraw()
            self.over = True
        else:
            self._show(self._text())
        self._begun = True

    def _text(self) -> str:
        key = self._key()
        if not key or not passwords.ticket_for(key)[0]:
            if self._begun and passwords.is_awaited():
                return ELSEWHERE
            with database.atomic():
                key = passwords.new_ticket(None)
            _log.info("set-up link", url=self._url(key), sentence="whoever opens it becomes the first administrator")
        shown = ""
        if door.is_open(self.core):
            shown = CERTIFICATE.format(fingerprint=fingerprint(door.certificate(self.core, door.names(self.core))))
        return AWAITED.format(url=self._url(key), shown=shown)

    def _url(self, key: str) -> str:
        """By https, and until set-up by an address: who reads it may sit at another machine."""
        if engine.awaits_setup(self.core):
            return door.url(self.core, key)
        return f"{engine.urls(self.core)[-1]}{passwords.path(key)}"

    def _shown(self) -> str:
        return self.core.local.read(self.path).decode() if Path(self.path).exists() else ""

    def _key(self) -> str:
        found = re.search(r"(?:ticket=|/setup/)(\S+)", self._shown())
        return found[1] if found else ""

    def _show(self, text: str) -> None:
        if text == self._shown():
            return
        self.core.local.make_folder(str(Path(self.path).parent))
        self.core.local.write(self.path, text.encode(), mode=0o600)
        self._redraw()

    def _redraw(self) -> None:
        """Let the prompts that stand on the consoles be written again."""
        self.core.local.run(["agetty", "--reload"], check=False, timeout=20)
