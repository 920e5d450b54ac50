"""The spine: the parts of a running engine, made by hand and in order, started and stopped."""

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path

from origo import api, config, home, log, model, notify, reserve, supervise
from origo.config import Config
from origo.errors import OrigoError
from origo.events import Events
from origo.home import Home
from origo.host.local import LocalHost
from origo.model import migrations
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.plugins import Drivers
from origo.secrets import Secrets
from origo.services import engine, front, issues, kinds, networks, nodes
from origo.services.engine import backups, certificates, machine, programs, upgrades
from origo.services.engine.firewall import Firewall
from origo.services.images import folders
from origo.services.pools import exporting, keeping
from origo.services.servers import power, shutdowns
from origo.services.users.invitation import Invitation
from origo.supervise import Supervisor
from origo.web import Web

_log = log.get("app")

HOUR = 3600.0
MINUTE = 60.0
SECOND = 1.0
LINK_SECONDS = 5.0
"""How often the link on the console is looked at, which asks for the machine's addresses."""
HEARD_SECONDS = 3.0
"""How long a restored engine still answers those who wait to hear that it is, before it starts anew."""
SETTLE_SECONDS = 60.0
"""How long a stop waits for a start that is under way."""
STOP_SECONDS = 120.0
"""What all else of a stop may take, such as requests in flight, besides guests that shut down."""


class App:
    """One engine that runs, or can."""

    def __init__(self, taken: Home, core: Core) -> None:
        self.home = taken
        self.core = core
        self.web = Web(core, api.ALL)
        self.follower = power.Follower(core)
        self.keeper = keeping.Keeper(core)
        self.ready = threading.Event()
        """Set once everything is as the rows say, after a start."""
        self.invitation = Invitation(core)
        self.firewall = Firewall(core)
        self.watchdog = notify.Watchdog({"web": self.web.alive, "operations": core.operations.alive})
        self._stopping = threading.Event()
        self._settling = threading.Thread(target=self._settle, name="settle", daemon=True)

    def start(self, again: Callable[[], None] = lambda: None) -> None:
        """Answer requests at once, and behind them make the world as the rows say it is.

        `again` is called when this one is to stop and another to start in its place, since the engine was restored.
        """
        self._again = again
        power.after_boot(self.core)
        self.web.start()
        notify.ready("waiting for the machine's network, pools and libvirt")
        self.watchdog.start()
        self._settling.start()

    def stop(self, *, guests: bool, again: bool = False) -> None:
        """Stop; with `guests` every server is shut down before and all programs end, else they stay as they are.

        With `again` another takes its place in this process, so systemd is told of no end. Where the machine
        goes down servers are shut down as well; the programs are then systemd's to end. Where nobody says whether it
        does, servers are asked to shut down and none is powered off: what was on is started again, if it does not.
        """
        self._stopping.set()
        self.watchdog.stop()
        ending = supervise.machine_is_ending(self.core.local)
        end_programs, force = guests and ending is False, guests or bool(ending)
        guests = guests or ending is not False
        patience = SETTLE_SECONDS + STOP_SECONDS + (self.core.config["shutdown_seconds"] if guests else 0)
        if again:
            notify.tell("WATCHDOG=1", "STATUS=starting anew")
        else:
            notify.stopping("shutting servers down" if guests else "stopping; servers run on", patience)
        self.follower.stopping = guests
        self.web.stop()
        self.core.operations.stop()
        self._settling.join(timeout=SETTLE_SECONDS)
        if guests:
            shutdowns.shut_down_all(self.core, self.core.config["shutdown_seconds"], force=force)
        self.follower.stop()
        self.keeper.stop()
        self.core.drivers.close()
        if end_programs:
            self.core.supervisor.stop_all()
        else:
            self.core.supervisor.leave()
        model.database.close()
        self.home.release()

    def _settle(self) -> None:
        core = self.core
        self._attempt("firewall", self.firewall.begin)
        self._attempt("room", lambda: machine.tell_of_room(core))
        self._attempt("machine", lambda: supervise.await_machine(core.local, self._stopping))
        notify.status("restoring servers")
        self._attempt("firewall", self.firewall.ensure)
        self._attempt("programs", lambda: nodes.start_programs(core))
        self._attempt("pools", lambda: keeping.ensure(core, open_all=True))
        self._attempt("exports", lambda: exporting.ensure(core))
        self._attempt("import folders", lambda: folders.ensure(core))
        self._attempt("networks", lambda: networks.apply_all(core))
        self._attempt("front", self._open_front)
        self._invite()
        self._attempt("power", self.follower.start)
        core.operations.start()
        self._attempt("restore", self.follower.restore)
        self._attempt("keeper", self.keeper.start)
        self._attempt("restart", lambda: machine.tell_of_restart(core))
        self._attempt("updates", lambda: programs.renew(core))
        self._attempt("backups", lambda: backups.nightly(core))
        self._attempt("upgrade", lambda: upgrades.look(core))
        self.ready.set()
        notify.status("ready")
        _log.info("ready", home=str(self.home.path))
        self._look_after()
        model.database.close()

    def _look_after(self) -> None:
        """Do what is due from time to time; for the front at once when the clock or the settings were changed."""
        duties = {
            "set-up link": (LINK_SECONDS, self._invite),
            "status": (MINUTE, self._say_how_it_is),
            "room": (MINUTE, lambda: machine.tell_of_room(self.core)),
            "units": (MINUTE, lambda: machine.tell_of_units(self.core)),
            "firewall": (MINUTE, self.firewall.ensure),
            "networks": (MINUTE, lambda: networks.repair(self.core)),
            "certificate": (MINUTE, lambda: certificates.look_after(self.core)),
            "upgrade": (MINUTE, lambda: upgrades.prove(self.core)),
            "restart": (MINUTE, lambda: machine.tell_of_restart(self.core)),
            "updates": (HOUR, lambda: programs.renew(self.core)),
            "backups": (HOUR, lambda: backups.nightly(self.core)),
            "front": (MINUTE, self._open_front),
        }
        done = dict.fromkeys(duties, time.monotonic())
        seen, settings = _clock(), self.core.config
        while not self._stopping.wait(SECOND):
            if self.core.config is not settings or abs(_clock() - seen) > MINUTE:
                seen, settings = _clock(), self.core.config
                done |= {"front": -MINUTE, "firewall": -MINUTE}
            for name, (every, part) in duties.items():
                if time.monotonic() - done[name] > every:
                    done[name] = time.monotonic()
                    self._attempt(name, part)
            if home.is_staged(self.home.path):
                self._stopping.wait(HEARD_SECONDS)
                self._again()

    def _invite(self) -> None:
        """Show the set-up link on the machine's console, until it was used; a trial's engine has no console."""
        if supervise.runs_us() and not self.invitation.over:
            self._attempt("set-up link", self.invitation.look)

    def _say_how_it_is(self) -> None:
        if not self._stopping.is_set():
            notify.status(f"ready: {power.running()} servers run")

    def _open_front(self) -> None:
        """Start nginx; asked again, it goes on with what is new: a certificate, a setting, the machine's addresses."""
        self.core.supervisor.ensure(front.service(self.core))

    def _attempt(self, name: str, part: Callable[[], None]) -> None:
        """Do one part of the start; one that fails is an issue and keeps no other from starting."""
        if self._stopping.is_set():
            return
        try:
            part()
            issues.end(self.core.events, f"start/{name}")
        except OrigoError as error:
            _log.error("cannot start a part", part=name, error=error.message)
            self._failed(name, error)
        except Exception:
            self._failed(name, log.unexpected(_log, f"cannot start {name} because of an error in the engine"))

    def _failed(self, name: str, error: OrigoError) -> None:
        try:
            issues.raise_(self.core.events, f"start/{name}", error.message, remedy=error.hint, severity="error")
        except OrigoError as problem:
            _log.error("cannot note an issue", part=name, error=problem.message)
        except Exception:
            log.unexpected(_log, "cannot note an issue", part=name)


def _clock() -> float:
    """By how much the clock is ahead of the time that passes: it changes only when the clock is set."""
    return time.time() - time.monotonic()


def build(settings: Config) -> App:
    """Make all parts from the settings; nothing outside the home is touched. Raises Conflict for a home in use."""
    taken = Home(settings.home)
    if home.adopt(settings.home):
        settings = config.load(settings.home)
    reserve.keep(settings.home)
    model.connect(settings.path("origo.db"))
    migrations.migrate()
    events = Events()
    local = LocalHost()
    drivers = Drivers((Path(settings["plugin_folder"]),))
    drivers.load()
    core = Core(
        config=settings,
        local=local,
        secrets=Secrets(Path(settings.path("keys"))),
        events=events,
        drivers=drivers,
        supervisor=Supervisor(
            settings.path("run", "services"), functools.partial(issues.of_service, events), supervise.choose(local)
        ),
        operations=Engine(
            events,
            local.end,
            workers=settings["workers"],
            on_stuck=functools.partial(issues.of_operation, events),
            admit=functools.partial(reserve.admit, settings.home),
        ),
    )
    core.operations.core = core
    core.operations.register(kinds.ALL)
    engine.ensure(core)
    nodes.ensure_local(core)
    return App(taken, core)
