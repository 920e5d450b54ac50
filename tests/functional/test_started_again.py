"""What a server does after a boot: what was settled, whatever else was asked for when the power went."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo.contracts import Power
from origo.model import Node, OperationRow, Server
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.services import nodes
from origo.services.access import SYSTEM
from origo.services.servers import operations, power
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A server that runs."""
    with kinds.running(tmp_path, kinds.a_server) as core:
        yield core


@pytest.fixture
def asleep(core: Core) -> Iterator[Core]:
    """The same, before its operations are taken up."""
    with kinds.reopened(core) as again:
        yield again


def the_power_goes(core: Core) -> None:
    """Nothing runs any more, and the engine knows."""
    nodes.hypervisor(core, Node.get()).stop(only().id, force=True)
    power.Follower(core).resync()


def only() -> Any:
    return Server.get()


def ask(core: Core, operation: Operation) -> Any:
    return core.operations.submit(operation, {"server": only().id, **kinds.MINE}, by=SYSTEM.id)


def started() -> OperationRow:
    return OperationRow.get(OperationRow.kind == "servers.start")


def ends(core: Core, *rows: Any) -> list[str]:
    core.operations.start()
    return [core.operations.wait(row.id, 20).status for row in rows]


def told(core: Core) -> tuple[Power, str, str, str]:
    """What the server does, and what its row says it does, is to do and is settled to."""
    return nodes.hypervisor(core, Node.get()).state(only().id), only().power, only().desired, only().settled


def test_it_is_not_started_again_while_somebody_starts_it(asleep: Core) -> None:
    the_power_goes(asleep)
    ask(asleep, operations.StartServer())
    power.restore(asleep)
    assert OperationRow.select().where(OperationRow.kind == "servers.start").count() == 1


def test_it_runs_where_the_power_went_before_it_was_suspended(asleep: Core) -> None:
    suspend = ask(asleep, operations.SuspendServer())
    the_power_goes(asleep)
    power.restore(asleep)
    assert ends(asleep, suspend, started()) == ["undone", "done"]
    assert told(asleep) == (Power.RUNNING, "running", "running", "running")


def test_it_stands_still_again_also_when_the_power_goes_once_more_amid_its_start(core: Core) -> None:
    kinds.run(core, operations.SuspendServer(), server=only().id, **kinds.MINE)
    the_power_goes(core)
    power.restore(core)
    assert ends(core, started()) == ["done"]
    with kinds.reopened(core) as again:
        the_power_goes(again)
        amid = {"status": "running", "step": len(started().steps) - 1}
        OperationRow.update(**amid).where(OperationRow.id == started().id).execute()
        assert ends(again, started()) == ["done"]
    assert told(again) == (Power.SUSPENDED, "suspended", "suspended", "suspended")


def test_it_stays_down_where_that_is_asked_for_before_its_turn(asleep: Core) -> None:
    the_power_goes(asleep)
    power.restore(asleep)
    off = ask(asleep, operations.PowerOffServer())
    assert ends(asleep, started(), off) == ["undone", "done"]
    assert told(asleep) == (Power.STOPPED, "stopped", "stopped", "stopped")
