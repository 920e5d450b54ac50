"""What a server does after a boot: what was settled, whatever else was asked for when the power went."""

from typing import Any

from origo.contracts import Power
from origo.model import Node, OperationRow, Server
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.services import nodes
from origo.services.access import SYSTEM
from origo.services.servers import operations, power
from tests.functional import kinds


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
    kinds.lose_power(asleep)
    ask(asleep, operations.StartServer())
    power.restore(asleep)
    assert OperationRow.select().where(OperationRow.kind == "servers.start").count() == 1


def test_it_runs_where_the_power_went_before_it_was_suspended(asleep: Core) -> None:
    suspend = ask(asleep, operations.SuspendServer())
    kinds.lose_power(asleep)
    power.restore(asleep)
    assert ends(asleep, suspend, started()) == ["undone", "done"]
    assert told(asleep) == (Power.RUNNING, "running", "running", "running")


def test_it_stands_still_again_also_when_the_power_goes_once_more_amid_its_start(core: Core) -> None:
    kinds.run(core, operations.SuspendServer(), server=only().id, **kinds.MINE)
    kinds.lose_power(core)
    power.restore(core)
    assert ends(core, started()) == ["done"]
    with kinds.reopened(core) as again:
        kinds.lose_power(again)
        amid = {"status": "running", "step": len(started().steps) - 1}
        OperationRow.update(**amid).where(OperationRow.id == started().id).execute()
        assert ends(again, started()) == ["done"]
    assert told(again) == (Power.SUSPENDED, "suspended", "suspended", "suspended")


def test_it_stays_down_where_that_is_asked_for_before_its_turn(asleep: Core) -> None:
    kinds.lose_power(asleep)
    power.restore(asleep)
    off = ask(asleep, operations.PowerOffServer())
    assert ends(asleep, started(), off) == ["undone", "done"]
    assert told(asleep) == (Power.STOPPED, "stopped", "stopped", "stopped")
