"""Following what servers do by their hypervisors' events, and restoring what they are to do after a start."""

import queue
import threading
import time

from origo import log, model
from origo.contracts import Power, StateEvent, Watch
from origo.errors import OrigoError
from origo.model import Node, Server
from origo.operations.core import Core
from origo.services import networks, nodes
from origo.services.access import SYSTEM
from origo.services.servers import operations, states

_log = log.get("power")

AGAIN_SECONDS = 60
"""All states are asked for again after this long, should an event have been lost."""


class Follower:
    """Keeps the rows' `power` as the hypervisor says: events are queued by its thread and written by ours."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.stopping = False
        """Set while the engine itself shuts guests down: what they were to do stays as it was."""
        self._events: queue.SimpleQueue[StateEvent | None] = queue.SimpleQueue()
        self._watches: list[Watch] = []
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)

    def start(self) -> None:
        """Follow every node from now on; what changed meanwhile is found out first."""
        for node in Node.select():
            self._watches.append(nodes.hypervisor(self.core, node).watch(self._events.put))
        self.resync()
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        for watch in self._watches:
            watch.close()
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def resync(self) -> None:
        """Ask every hypervisor what all servers do."""
        for node in Node.select():
            try:
                found = nodes.hypervisor(self.core, node).list()
            except OrigoError as error:
                _log.warning("cannot ask a hypervisor", node=node.name, error=error.message)
                continue
            rows = Server.select(Server.id, Server.power).where((Server.node == node) & (Server.state != "trashed"))
            for row in rows:
                state = found.get(row.id, Power.STOPPED)
                if row.power != state:
                    self._note(StateEvent(row.id, state))

    def _run(self) -> None:
        asked = time.monotonic()
        while True:
            try:
                event = self._events.get(timeout=AGAIN_SECONDS)
            except queue.Empty:
                event = StateEvent("")
            if event is None:
                break
            try:
                if event.id:
                    self._note(event)
                if not event.id or time.monotonic() - asked > AGAIN_SECONDS:
                    self.resync()
                    asked = time.monotonic()
            except Exception:
                _log.exception("cannot note a state", server=event.id)
        model.database.close()

    def _note(self, event: StateEvent) -> None:
        if not states.record(self.core, event.id, event.state):
            return
        if event.state is Power.STOPPED and not self.stopping:
            self._stopped(event)

    def _stopped(self, event: StateEvent) -> None:
        if event.reason == "shutdown":
            Server.update(desired="stopped").where((Server.id == event.id) & (Server.state == "ready")).execute()
        networks.apply(self.core, frozenset(operations.connections(event.id)))


def restore(core: Core) -> None:
    """Ask for a start of every server that is to run and does not, in the order of the stacks."""
    wanted = (Server.state == "ready") & (Server.power == "stopped") & (Server.desired != "stopped")
    for server in Server.select().where(wanted).order_by(Server.position, Server.created):
        args = {"server": server.id, "owner": server.owner_id}
        try:
            core.operations.submit(operations.StartServer(), args, by=SYSTEM.id)
            if server.desired == "suspended":
                core.operations.submit(operations.SuspendServer(), args, by=SYSTEM.id)
        except OrigoError as error:
            core.events.emit("server.not-restored", "servers", server.id, owner=server.owner_id, sentence=error.message)


def shut_down_all(core: Core, seconds: float) -> None:
    """Shut every guest down, last started first, and power off what still runs after `seconds`."""
    running = list(Server.select().where(Server.power != "stopped").order_by(Server.position.desc()))
    for server in running:
        driver = nodes.hypervisor(core, server.node)
        if driver.state(server.id) in (Power.SUSPENDED, Power.PAUSED):
            driver.resume(server.id)
        driver.stop(server.id, force=False)
    deadline = time.monotonic() + seconds
    while running and time.monotonic() < deadline:
        time.sleep(0.2)
        running = [one for one in running if nodes.hypervisor(core, one.node).state(one.id) is not Power.STOPPED]
    for server in running:
        nodes.hypervisor(core, server.node).stop(server.id, force=True)
