"""Following what servers do by their hypervisors' events, and restoring what they are to do after a start."""

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from origo import log, model
from origo.contracts import Power, Reasons, StateEvent, Watch
from origo.errors import OrigoError
from origo.model import Disk, Image, Node, Server
from origo.operations.core import Core
from origo.services import issues, networks, nodes
from origo.services.access import SYSTEM
from origo.services.servers import held, operations, outages, shutdowns, states, unknown, wishes

_log = log.get("power")

SOON_SECONDS = 1
"""How long after a stop the next of a stack may be asked to shut down; many stops at once are one question."""
AGAIN_SECONDS = 60
"""All states are asked for again after this long, should an event have been lost."""

UNREACHED = "node/"
"""What the key of the issue of a hypervisor that does not answer begins with; one that is started anew is none yet."""
NOTHING = StateEvent("", Power.RUNNING)
LOST = StateEvent("")
"""What a driver says when events may have been lost."""


class Follower:
    """Keeps the rows' `power` as the hypervisor says: events are queued by its thread and written by ours."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.stopping = False
        """Set while the engine itself shuts guests down: what they were to do stays as it was."""
        self._events: queue.SimpleQueue[StateEvent | None] = queue.SimpleQueue()
        self._shutdowns = shutdowns.Shutdowns(core, core.config["shutdown_seconds"])
        self._watches: dict[str, Watch] = {}
        self._asking = threading.Lock()
        self._reached: set[str] = set()
        self._began = time.monotonic()
        self._restored = False
        self._seen = 0
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)

    def start(self) -> None:
        """Follow every node from now on; what changed meanwhile is found out first."""
        self._thread.start()
        self.resync()

    def restore(self) -> None:
        """Let every server do what it is to do, now and whenever a node is reached for the first time."""
        self._restored = True
        self._seen = self.core.events.newest()
        restore(self.core)

    def look(self) -> None:
        """Let servers run whose pool has come back or has room again, and report those that are off by accident."""
        seen, self._seen = self._seen, self.core.events.newest()
        back = [event.target for event in self.core.events.since(seen, 1000) if event.kind == "pool.ready"]
        if back:
            restore(self.core, pools=back)
        outages.look(self.core)
        held.look(self.core)

    def stop(self) -> None:
        """Stop following."""
        for watch in self._watches.values():
            watch.close()
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def resync(self, *, tell: bool = True) -> None:
        """Ask every hypervisor what all servers do; one that cannot be asked is an issue, if that is to be told."""
        fresh = False
        with self._asking:
            for node in list(Node.select()):
                try:
                    fresh |= self._ask(node)
                    self._reach(node)
                except OrigoError as error:
                    _log.warning("cannot ask a hypervisor", node=node.name, error=error.message)
                    self._reached.discard(node.id)
                    if tell:
                        self._miss(node, error)
        if fresh and self._restored:
            restore(self.core)

    def _reach(self, node: Node) -> None:
        if node.id not in self._reached:
            self._reached.add(node.id)
            issues.end(self.core.events, f"{UNREACHED}{node.id}")

    def _miss(self, node: Node, error: OrigoError) -> None:
        sentence = f"cannot tell what the servers on node {node.name} do, nor start any: {error.message}"
        issues.raise_(self.core.events, f"{UNREACHED}{node.id}", sentence, remedy=error.hint, severity="error")

    def _ask(self, node: Node) -> bool:
        """Ask one, and follow it from now on; whether that is the first time since its machine booted."""
        driver = nodes.hypervisor(self.core, node)
        if node.id not in self._watches:
            self._watches[node.id] = driver.watch(self._events.put)
        found = driver.list()
        boot = nodes.boot(self.core, node)
        columns = (Server.id, Server.power, Server.stack, Server.node)
        rows = list(Server.select(*columns).where((Server.node == node) & (Server.state != "trashed")))
        for row in rows:
            if row.power != found.get(row.id, Power.STOPPED):
                state = self._now(row)  # the row may be newer than the list
                known = row.id in found and node.boot == boot and not wishes.at_work(row)
                reason = driver.reason(row.id) if known and isinstance(driver, Reasons) else ""
                self._note(StateEvent(row.id, state, reason))
        running = {id for id, power in found.items() if power is not Power.STOPPED}
        unknown.look(self.core, node, driver, running - {row.id for row in rows})
        if node.boot == boot or self._is_ending(node):
            return False
        Node.update(boot=boot).where(Node.id == node.id).execute()
        return True

    def _is_ending(self, node: Node) -> bool:
        """Whether guests end because the engine wants it, perhaps one that was killed a moment ago."""
        recent = time.monotonic() - self._began < self.core.config["shutdown_seconds"]
        return self.stopping or (node.boot == shutdowns.ENDING and recent)

    def _run(self) -> None:
        asked = reminded = time.monotonic()
        pause = shutdowns.AGAIN_SECONDS
        while True:
            try:
                event = self._events.get(timeout=pause)
            except queue.Empty:
                event = NOTHING
            if event is None:
                break
            try:
                if event.id:
                    self._note(event)
                if event == LOST or time.monotonic() - asked > AGAIN_SECONDS:
                    asked = time.monotonic()
                    self.resync(tell=event != LOST)
                if event.id and event.state in (Power.STOPPED, Power.PAUSED):
                    pause = SOON_SECONDS
                if not self.stopping and time.monotonic() - reminded > pause:
                    reminded = time.monotonic()
                    pause = shutdowns.AGAIN_SECONDS
                    self._shutdowns.remind()
                    if self._restored:
                        self.look()
            except Exception:
                _log.exception("cannot note a state", server=event.id)
        model.database.close()

    def _note(self, event: StateEvent) -> None:
        if event.state is Power.STOPPED:
            self._stopped(event)
        elif event.state is Power.SUSPENDED:
            self._stood_still(event)
        else:
            states.record(self.core, event.id, event.state)

    def _stood_still(self, event: StateEvent) -> None:
        """An event does not tell whether it was told to, or could not go on."""
        row = Server.get_or_none(Server.id == event.id)
        if row is not None and (state := self._now(row)) in (Power.SUSPENDED, Power.PAUSED):
            states.record(self.core, row.id, state)

    def _stopped(self, event: StateEvent) -> None:
        row = Server.get_or_none(Server.id == event.id)
        if row is None or self._now(row) is not Power.STOPPED:
            return  # the event is old: it was started since
        ended = event.reason == "shutdown" and not self._is_ending(row.node)
        again = ended and wishes.started_amid(row, self.core.config["shutdown_seconds"])
        if states.record(self.core, row.id, Power.STOPPED, by_itself=ended and not again):
            if not self.stopping:
                self._take_back(row.id)
            if again:
                _start(self.core, row)

    def _now(self, row: Server) -> Power:
        return states.now(nodes.hypervisor(self.core, row.node), row.id)

    def _take_back(self, server: str) -> None:
        """Take back the addresses of a server that has stopped."""
        try:
            networks.apply(self.core, frozenset(operations.connections(server)))
        except OrigoError as error:
            _log.warning("cannot take back the addresses of a server", server=server, error=error.message)


def after_boot(core: Core) -> None:
    """Where this machine has booted since its servers were followed last, they are all off until they are started.

    Said before anybody can ask: at the address of a guest that is not on yet there may be a stranger.
    """
    node = Node.get(Node.address == "")
    if node.boot in ("", shutdowns.ENDING, nodes.boot(core, node)):
        return
    off = (Power.STOPPED, Power.CRASHED)
    for server in list(Server.select(Server.id).where((Server.node == node) & Server.power.not_in(off))):
        states.record(core, server.id, Power.STOPPED)


def running() -> int:
    """How many servers run."""
    return Server.select().where(Server.power == "running").count()


def restore(core: Core, pools: Sequence[str] | None = None) -> None:
    """Ask for a start of every server that is to run or to be suspended, and is neither so nor being started; with
    `pools`, by their ids, only of those that have a disk there.

    The servers of a stack take turns in the order of the stack's start; one that cannot start holds up no other.
    """
    asked = wishes.being_started()
    down = Server.power.in_(("stopped", "crashed"))
    wanted = (Server.state == "ready") & down & (Server.desired != "stopped")
    if pools is not None:
        there = Disk.select(Disk.server).join(Image).where(Image.pool.in_([int(pool) for pool in pools]))
        wanted &= Server.id.in_(there)
    for server in list(Server.select().where(wanted).order_by(Server.position, Server.created)):
        if server.id not in asked:
            _start(core, server)


def _start(core: Core, server: Server) -> None:
    args: dict[str, Any] = {"server": server.id, "owner": server.owner_id, "restored": True}
    if server.stack_id:
        args["stack"] = server.stack_id
    try:
        core.operations.submit(operations.StartServer(), args, by=SYSTEM.id)
    except OrigoError as error:
        core.events.emit("server.not-restored", "servers", server.id, owner=server.owner_id, sentence=error.message)
