"""The folders from which users import images: one each, which nobody but root enters unless root says so."""

import contextlib

from origo.errors import OrigoError
from origo.model import User
from origo.operations.core import Core
from origo.services.access import SYSTEM


def path(core: Core, user: str) -> str:
    """Where that user's folder is; it goes by the id, so that nobody inherits what another of that name left."""
    return core.config.path("import", user)


def make(core: Core, user: str) -> None:
    """Make that user's folder; one that is there stays as an administrator has set it."""
    if not core.local.exists(path(core, user)):
        core.local.make_folder(path(core, user), mode=0o700)


def ensure(core: Core) -> None:
    """Make the folders that are missing."""
    for user in User.select(User.id).where(User.id != SYSTEM.id):
        make(core, user.id)


def remove(core: Core, user: str) -> None:
    """Remove the folder of a user who is gone; one that holds something is left for an administrator to look at."""
    with contextlib.suppress(OrigoError):
        core.local.remove(path(core, user))
