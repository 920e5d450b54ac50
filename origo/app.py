"""The spine: the parts of a running engine, made by hand and in order, started and stopped."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path

from origo import api, log, model
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
from origo.services import engine, front, issues, kinds, networks, nodes, pools
from origo.services.servers import power
from origo.supervise import Supervisor
from origo.web import Web

_log = log.get("app")


class App:
    """One engine that runs, or can."""

    def __init__(self, home: Home, core: Core) -> None:
        self.home = home
        self.core = core
        self.web = Web(core, api.ALL)
        self.follower = power.Follower(core)
        self.ready = threading.Event()
        """Set once everything is as the rows say, after a start."""

    def start(self) -> None:
        """Answer requests at once, and behind them make the world as the rows say it is."""
        self.web.start()
        threading.Thread(target=self._settle, name="settle", daemon=True).start()

    def stop(self, *, guests: bool) -> None:
        """Stop; with `guests` every server is shut down before and all programs end, else they stay as they are."""
        self.web.stop()
        self.core.operations.stop()
        self.follower.stopping = True
        if guests:
            power.shut_down_all(self.core, self.core.config["shutdown_seconds"])
        self.follower.stop()
        self.core.drivers.close()
        if guests:
            self.core.supervisor.stop_all()
        else:
            self.core.supervisor.leave()
        model.database.close()
        self.home.release()

    def _settle(self) -> None:
        core = self.core
        self._attempt("programs", lambda: nodes.start_programs(core))
        self._attempt("pools", lambda: pools.ensure_first(core))
        self._attempt("networks", lambda: networks.apply_all(core))
        self._attempt("front", lambda: core.supervisor.ensure(front.service(core)))
        self._attempt("power", self.follower.start)
        core.operations.start()
        self._attempt("restore", lambda: power.restore(core))
        self.ready.set()
        _log.info("ready", home=str(self.home.path))
        model.database.close()

    def _attempt(self, name: str, part: Callable[[], None]) -> None:
        try:
            part()
            issues.end(self.core.events, f"start/{name}")
        except OrigoError as error:
            _log.error("cannot start a part", part=name, error=error.message)
            issues.raise_(self.core.events, f"start/{name}", error.message, remedy=error.hint, severity="error")


def build(config: Config) -> App:
    """Make all parts from the settings; nothing outside the home is touched. Raises Conflict for a home in use."""
    home = Home(Path(config.home))
    model.connect(config.path("origo.db"))
    migrations.migrate()
    events = Events()
    local = LocalHost()
    drivers = Drivers((Path(config["plugin_folder"]),))
    drivers.load()
    core = Core(
        config=config,
        local=local,
        secrets=Secrets(Path(config.path("keys"))),
        events=events,
        drivers=drivers,
        supervisor=Supervisor(config.path("run", "services"), functools.partial(issues.of_service, events)),
        operations=Engine(
            events, local.end, workers=config["workers"], on_stuck=functools.partial(issues.of_operation, events)
        ),
    )
    core.operations.core = core
    core.operations.register(kinds.ALL)
    engine.ensure(core)
    nodes.ensure_local(core)
    return App(home, core)
