"""Guests that are to shut down: asked in the order of their stacks, asked again while they boot, and reported."""

import time
from collections.abc import Sequence

from origo import log
from origo.contracts import Power
from origo.errors import OrigoError
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import issues, nodes
from origo.services.servers import steps, wishes

_log = log.get("shutdowns")

AGAIN_SECONDS = 10
"""A guest that is still booting does not hear the power button; so it is pushed again after this long."""
LOOK_SECONDS = 0.2
ASKED = ("servers.shutdown", "stacks.stop")
ISSUE = "shutdown/"
ENDING = "ending"
"""Instead of a node's boot: the engine itself shuts its guests down, or did when it was killed."""


class Shutdowns:
    """Asks guests to shut down. In a stack those that started last go first, those of one level side by side; who is
    asked for longer than `patience` seconds holds up the others no more."""

    def __init__(self, core: Core, patience: float) -> None:
        self.core = core
        self.patience = patience
        self._since: dict[str, float] = {}
        self._pushed: dict[str, float] = {}

    def remind(self) -> None:
        """Ask every guest whose turn it is and that was asked for; past its time there is an issue instead.

        What was asked for is read from the journal, so that it survives a restart; what was begun since counts more.
        """
        down = (Server.desired == "stopped") & (Server.power != "stopped")
        wanted = [server for server in Server.select().where(down) if _is_asked(server)]
        self._forget(wanted)
        late = [server for server in wanted if self._is_late(server)]
        self.ask([server for server in wanted if server not in late])
        for server in late:
            _report(self.core, server)
        issues.end_others(self.core.events, ISSUE, {server.id for server in late})

    def ask(self, servers: Sequence[Server]) -> None:
        """Push the power buttons of those whose turn it is, unless that was done a moment ago."""
        late = [server for server in servers if self._is_late(server)]
        for server in late + leading([server for server in servers if server not in late]):
            now = time.monotonic()
            since = self._since.setdefault(server.id, now)
            if now - self._pushed.get(server.id, -AGAIN_SECONDS) >= AGAIN_SECONDS:
                self._pushed[server.id] = now
                self._push(server, f"{now - since:.0f} s of {self.patience:.0f}")

    def _push(self, server: Server, waited: str) -> None:
        sentence = f"waiting for {server.name} to shut down, {waited}"
        _log.info("waiting", server=server.id, sentence=sentence)
        self.core.events.emit("server.waiting", "servers", server.id, owner=server.owner_id, sentence=sentence)
        try:
            steps.shut_down(nodes.hypervisor(self.core, server.node), server.id)
        except OrigoError as error:
            _log.warning("cannot ask a guest to shut down", server=server.id, error=error.message)

    def _is_late(self, server: Server) -> bool:
        return server.id in self._since and time.monotonic() - self._since[server.id] >= self.patience

    def _forget(self, wanted: Sequence[Server]) -> None:
        for id in self._since.keys() - {server.id for server in wanted}:
            del self._since[id]
            self._pushed.pop(id, None)


def leading(servers: Sequence[Server]) -> list[Server]:
    """Of these the ones that may shut down now: nothing of their stack that is among them was started after them."""
    last: dict[str | None, int] = {}
    for server in servers:
        last[server.stack_id] = max(server.position, last.get(server.stack_id, server.position))
    return [server for server in servers if server.stack_id is None or server.position == last[server.stack_id]]


def shut_down_all(core: Core, seconds: float, *, force: bool = True) -> None:
    """Shut every guest down, each level of a stack in its share of `seconds`; with `force` what still runs then is
    powered off."""
    Node.update(boot=ENDING).execute()
    running = list(Server.select().where(Server.power != "stopped"))
    levels = {(server.stack_id, server.position) for server in running if server.stack_id}
    stacks = [stack for stack, _ in levels]
    shutdowns = Shutdowns(core, seconds / max([stacks.count(stack) for stack in stacks], default=1))
    deadline = time.monotonic() + seconds
    while running and time.monotonic() < deadline:
        shutdowns.ask(running)
        time.sleep(LOOK_SECONDS)
        running = [server for server in running if _runs(core, server)]
    for server in running if force else ():
        try:
            nodes.hypervisor(core, server.node).stop(server.id, force=True)
        except OrigoError as error:
            _log.warning("cannot power a server off", server=server.id, error=error.message)
    Node.update(boot="").execute()


def _is_asked(server: Server) -> bool:
    """Whether a shutdown is what was wanted of it last."""
    last = wishes.last(server)
    return last is not None and last.status == "done" and last.kind in ASKED


def _runs(core: Core, server: Server) -> bool:
    try:
        return nodes.hypervisor(core, server.node).state(server.id) is not Power.STOPPED
    except OrigoError as error:
        _log.warning("cannot ask what a server does", server=server.id, error=error.message)
        return False


def _report(core: Core, server: Server) -> None:
    issues.raise_(
        core.events,
        f"{ISSUE}{server.id}",
        f"cannot shut down server {server.name}: its guest does not react",
        remedy=f"origo servers poweroff {server.id}",
        noun="servers",
        target=server.id,
        owner=server.owner_id,
    )
