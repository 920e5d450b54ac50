"""The web: every route of the API's table, the pages, and what nginx asks, on two unix sockets."""

import grp
from collections.abc import Sequence

from origo.api.route import Route
from origo.operations.core import Core
from origo.web import doors, pages, sibling
from origo.web.application import PREFIX, Application, Places
from origo.web.server import UnixServer
from origo.web.slots import Slots

NGINX_GROUP = "www-data"

# Apart, so that whoever comes through the network never takes the last thread from root at the machine itself.
FRONT_THREADS, FRONT_STREAMS, FRONT_WAITS = 96, 48, 24
LOCAL_THREADS, LOCAL_STREAMS, LOCAL_WAITS = 32, 16, 8
EACH = 16
"""Streams, and waits, of one user through the front."""
EACH_REQUESTS = 32
"""Requests of one user through the front: some take seconds, such as looking whether a stack's page answers."""


class Web:
    """Serves the engine: `<home>/run/api.sock` for root and the command line, `front.sock` for nginx alone."""

    def __init__(self, core: Core, routes: Sequence[Route]) -> None:
        self._front_places = Places(
            Slots("requests", FRONT_THREADS, EACH_REQUESTS),
            Slots("streams", FRONT_STREAMS, EACH),
            Slots("requests that wait", FRONT_WAITS, EACH),
        )
        self._local_places = Places(
            Slots("requests", LOCAL_THREADS, LOCAL_THREADS),
            Slots("streams", LOCAL_STREAMS, LOCAL_STREAMS),
            Slots("requests that wait", LOCAL_WAITS, LOCAL_WAITS),
        )
        self.app = Application(core, routes, self._front_places, "front")
        """What nginx reaches, as a WSGI application; needs a session or a token."""
        pages.add(self.app)
        sibling.add(self.app)
        self.local = Application(core, routes, self._local_places, doors.LOCAL)
        """What the local socket reaches, as a WSGI application; acts as SYSTEM."""
        run = core.config.home / "run"
        self._servers = (
            UnixServer(run / "api.sock", self.local, LOCAL_THREADS),
            UnixServer(run / "front.sock", self.app, FRONT_THREADS, _group()),
        )

    def start(self) -> None:
        """Listen on both sockets; returns at once."""
        for server in self._servers:
            server.path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            server.begin()

    def alive(self, seconds: float) -> bool:
        """Whether root at the machine is answered within that time, from the database."""
        return self._servers[0].answers(f"{PREFIX}/engine", seconds)

    def stop(self) -> None:
        """End all streams and waits, let the other requests in flight finish, remove the sockets."""
        for places in (self._front_places, self._local_places):
            places.stopping = True
        for server in self._servers:
            server.end()


def _group() -> int | None:
    try:
        return grp.getgrnam(NGINX_GROUP).gr_gid
    except KeyError:
        return None
