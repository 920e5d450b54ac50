"""A server whose pool is full stands still, which is told, and goes on once there is room; nobody else's does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from origo import model
from origo.contracts import Power
from origo.operations.core import Core
from origo.services import nodes
from origo.services.servers import held, operations, states
from tests.functional import kinds
from tests.functional.shelf import Shelf, room
from tests.functional.watching import eventually, open_issues

TOTAL = 1 << 40
FULL = ["server web stands still: there is no room in pool default"]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    kinds.before(kinds.a_server)(tmp_path)
    core = kinds.open_core(tmp_path, {**kinds.FAKES, "storage": Shelf})
    (tmp_path / "world").mkdir()
    room(core, TOTAL, 0)
    core.operations.start()
    yield core
    core.operations.stop()
    model.database.close()


def hold(core: Core, desired: str = "running") -> str:
    """The hypervisor stops the server in its tracks."""
    server = kinds.server()
    Path(core.config.path("hypervisor", "power", server)).write_text("paused")
    states.record(core, server, Power.PAUSED)
    model.Server.update(desired=desired).execute()
    return server


def power(core: Core, server: str) -> Power:
    return nodes.hypervisor(core, model.Server.get_by_id(server).node).state(server)


def test_it_is_told_as_long_as_there_is_no_room(core: Core) -> None:
    server = hold(core)
    for _ in range(2):
        held.look(core)
    assert open_issues() == FULL and power(core, server) is Power.PAUSED


def test_it_goes_on_once_there_is_room_and_the_issue_ends(core: Core) -> None:
    server = hold(core)
    held.look(core)
    room(core, TOTAL, held.ROOM_BYTES)
    held.look(core)
    assert eventually(lambda: power(core, server) is Power.RUNNING)
    assert eventually(lambda: model.Server.get_by_id(server).power == "running")
    held.look(core)
    assert open_issues() == []


def test_one_that_cannot_go_on_is_told_and_not_tried_again_until_something_is_done_with_it(core: Core) -> None:
    server = hold(core)
    room(core, TOTAL, TOTAL)
    fail = Path(core.config.path("hypervisor", "fail"))
    fail.mkdir()
    (fail / "resume").write_text("a reset is required")
    for _ in range(3):
        held.look(core)
        assert eventually(lambda: not model.OperationRow.select().where(model.OperationRow.ended.is_null()).exists())
    assert open_issues() == ["server web stands still: a reset is required"]
    assert model.OperationRow.select().where(model.OperationRow.kind == "servers.resume").count() == 1
    model.OperationRow.update(ended=0).where(model.OperationRow.kind == "servers.resume").execute()
    held.look(core)
    assert model.OperationRow.select().where(model.OperationRow.kind == "servers.resume").count() == 2
    assert len(open_issues()) == 1
    (fail / "resume").unlink()
    kinds.run(core, operations.ResetServer(), server=server, **kinds.MINE)
    held.look(core)
    assert eventually(lambda: power(core, server) is Power.RUNNING)


def test_it_is_left_alone_while_something_is_done_with_it(core: Core) -> None:
    server = hold(core)
    room(core, TOTAL, TOTAL)
    model.OperationRow.update(status="running").where(model.OperationRow.target == server).execute()
    held.look(core)
    assert not model.OperationRow.select().where(model.OperationRow.kind == "servers.resume").exists()


def test_it_stays_held_when_its_pool_is_not_there(core: Core) -> None:
    server = hold(core)
    Path(core.config.path("pools", "0")).rename(core.config.path("away"))
    room(core, TOTAL, TOTAL)
    held.look(core)
    assert open_issues() == FULL and power(core, server) is Power.PAUSED


def test_one_that_is_to_stand_still_is_not_resumed(core: Core) -> None:
    server = hold(core, desired="suspended")
    room(core, TOTAL, TOTAL)
    held.look(core)
    assert open_issues() == []
    assert not eventually(lambda: power(core, server) is not Power.PAUSED, seconds=0.5)
