"""A stop of the engine shuts servers down if the machine goes down, and loses nothing if nobody says so."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from origo import app, model, supervise
from origo.contracts import Power
from origo.errors import CommandFailed
from origo.home import Home
from origo.host import Result
from origo.host.local import LocalHost
from origo.operations.core import Core
from origo.services import nodes
from tests.functional import kinds

TOO_LATE = CommandFailed("cannot run systemctl: it took longer than 10 s")


class Machine(LocalHost):
    """A machine whose systemd says, one after the other, what a test lets it say."""

    def __init__(self, *says: str | CommandFailed) -> None:
        super().__init__()
        self.says = list(says)

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        said = self.says.pop(0)
        if isinstance(said, CommandFailed):
            raise said
        return Result(tuple(argv), 0, f"{said}\n".encode(), b"")


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """A running server; guests react to the power button."""
    monkeypatch.setattr(supervise, "runs_us", lambda: True)
    with kinds.running(tmp_path, kinds.a_server) as core:
        Path(core.config.path("hypervisor", "deaf")).unlink()
        core.config = core.config.changed({"shutdown_seconds": 2})
        yield core


def after_stop(core: Core, *says: str | CommandFailed, guests: bool = False) -> Power:
    """What the server does once the engine has stopped, to whose question systemd says that."""
    server = model.Server.get()
    driver = nodes.hypervisor(core, server.node)
    engine = app.App(Home(core.config.home), dataclasses.replace(core, local=Machine(*says)))
    engine._settling = threading.Thread(target=str)
    engine._settling.start()
    engine.stop(guests=guests)
    return driver.state(server.id)


def test_a_stop_of_the_daemon_alone_leaves_servers_running(core: Core) -> None:
    assert after_stop(core, "running") is Power.RUNNING


def test_where_the_machine_goes_down_servers_shut_down(core: Core) -> None:
    assert after_stop(core, "stopping") is Power.STOPPED


@pytest.mark.parametrize("nothing", [TOO_LATE, "unknown", ""])
def test_systemd_is_asked_once_more_where_it_says_nothing(core: Core, nothing: str | CommandFailed) -> None:
    assert after_stop(core, nothing, "degraded") is Power.RUNNING


@pytest.mark.parametrize("guests", [False, True])
def test_where_systemd_never_says_servers_shut_down(core: Core, guests: bool) -> None:
    assert after_stop(core, TOO_LATE, TOO_LATE, guests=guests) is Power.STOPPED


def test_a_server_that_does_not_react_is_powered_off_only_if_the_machine_surely_goes_down(core: Core) -> None:
    Path(core.config.path("hypervisor", "deaf")).touch()
    assert after_stop(core, TOO_LATE, TOO_LATE) is Power.RUNNING
    assert after_stop(core, TOO_LATE, "stopping") is Power.STOPPED
