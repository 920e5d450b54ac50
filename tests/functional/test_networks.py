"""What networks are promised: a plan, an event, an operation, a limit; and no server is left on one that goes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.api.networks import NetworkCreate
from origo.api.servers import DiskCreate, ServerCreate
from origo.errors import Conflict, NotFound, QuotaExceeded
from origo.operations.core import Core
from origo.operations.plan import Plan
from origo.services import networks, servers
from origo.services.access import SYSTEM, Actor
from tests.functional import kinds


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Core]:
    """An engine that is not started: whatever is asked for waits."""
    with kinds.waiting(tmp_path) as core:
        yield core


@pytest.fixture
def core(waiting: Core) -> Core:
    waiting.operations.start()
    return waiting


def user(name: str = "anna", **quotas: int) -> Actor:
    return Actor(id=model.User.create(name=name, **quotas).id, name=name, role="user")


def create(core: Core, actor: Actor, name: str) -> Any:
    row = networks.create(core, actor, NetworkCreate(name=name))
    return row if isinstance(row, Plan) else core.operations.wait(row.id, 20)


def server(name: str, network: str = "") -> ServerCreate:
    return ServerCreate(name=name, memory_mb=64, start=False, network=network, disks=[DiskCreate(size_bytes=1 << 20)])


def count() -> int:
    return int(model.Network.select().count())


def test_a_plan_shows_the_subnet_and_changes_nothing(core: Core) -> None:
    planning = user().asking(plan=True, key=None)
    plan = create(core, planning, "lan")
    assert plan.steps[0].lines[0].startswith("network lan: 10.1.1.0/24 with gateway 10.1.1.1 on bridge origo257")
    assert count() == 1
    anna = Actor(id=planning.id, name="anna", role="user")
    assert create(core, anna, "lan").status == "done"
    plan = networks.delete(core, planning, "lan")
    assert plan.steps[0].lines[0].startswith("forget network lan: 10.1.1.0/24")
    assert count() == 2


@pytest.mark.parametrize(("setting", "asked", "nat"), [(False, None, False), (True, None, True), (False, True, True)])
def test_whether_a_network_leads_outside_is_as_the_engine_is_set_unless_it_is_said(
    core: Core, setting: bool, asked: bool | None, nat: bool
) -> None:
    core.config = replace(core.config, values={**core.config.values, "guests_nat": setting})
    row = networks.create(core, SYSTEM, NetworkCreate(name="lan", nat=asked))
    core.operations.wait(row.id, 20)
    assert networks.show(core, SYSTEM, "lan")["nat"] == nat


def test_whoever_owns_a_network_is_told_when_it_comes_and_goes(core: Core) -> None:
    anna, bert = user(), user("bert")
    create(core, anna, "lan")
    core.operations.wait(networks.delete(core, anna, "lan").id, 20)
    assert count() == 1

    def told(actor: Actor) -> list[str]:
        events = core.events.since(0, visible_to=actor.id)
        return [event.data["kind"] for event in events if event.kind == "operation.done"]

    assert told(anna) == ["networks.create", "networks.delete"]
    assert told(bert) == []


def test_a_network_that_is_cancelled_before_it_is_made_is_not_there(waiting: Core) -> None:
    row = networks.create(waiting, user(), NetworkCreate(name="lan"))
    waiting.operations.cancel(row.id)
    assert count() == 1


def test_a_network_that_is_not_made_yet_or_is_going_takes_no_server(waiting: Core) -> None:
    anna = user()
    networks.create(waiting, anna, NetworkCreate(name="lan"))
    with pytest.raises(Conflict, match="cannot connect to network lan: it is still being made"):
        servers.create(waiting, anna, server("one", "lan"))
    with pytest.raises(Conflict, match="cannot delete network lan: it is still being made"):
        networks.delete(waiting, anna, "lan")
    model.Network.update(state="leaving").where(model.Network.name == "lan").execute()
    with pytest.raises(Conflict, match="cannot connect to network lan: it is being deleted"):
        servers.create(waiting, anna, server("one", "lan"))


def test_a_network_with_a_server_stays_also_when_the_server_came_meanwhile(waiting: Core) -> None:
    anna = user()
    row = networks.create(waiting, anna, NetworkCreate(name="lan"))
    waiting.operations.start()
    waiting.operations.wait(row.id, 20)
    waiting.operations.stop()
    waiting = kinds.open_core(Path(waiting.config.home))
    row = networks.delete(waiting, anna, "lan")
    servers.create(waiting, anna, server("one", "lan"))
    with pytest.raises(Conflict, match="server one is connected to it"):
        networks.delete(waiting, anna, "lan")
    waiting.operations.start()
    row = waiting.operations.wait(row.id, 20)
    waiting.operations.stop()
    assert (row.status, row.error["message"]) == (
        "undone",
        "cannot delete network lan: server one is connected to it",
    )
    assert model.Network.get(model.Network.name == "lan").state == "ready"


def test_a_user_has_sixteen_networks_unless_an_administrator_says_something_else(core: Core) -> None:
    anna = user()
    for number in range(16):
        create(core, anna, f"lan{number}")
    with pytest.raises(QuotaExceeded, match="it takes 1 network, and anna uses 16 networks of a quota of 16 networks"):
        create(core, anna, "one-too-many")
    model.User.update(quota_networks=None).where(model.User.id == anna.id).execute()
    assert create(core, anna, "one-more").status == "done"
    for number in range(20):
        create(core, SYSTEM, f"lan{number}")
    assert count() == 1 + 17 + 20


def test_the_network_that_a_first_server_brings_with_it_counts_too(core: Core) -> None:
    with pytest.raises(QuotaExceeded, match="cannot create network default"):
        servers.create(core, user(quota_networks=0), server("one"))
    bert = user("bert", quota_networks=1)
    servers.create(core, bert, server("one"))
    with pytest.raises(QuotaExceeded):
        create(core, bert, "lan")


@pytest.fixture
def connected(core: Core) -> Core:
    """An engine with two networks, a server on each."""
    for name in ("one", "two"):
        create(core, SYSTEM, name)
        row = servers.create(core, SYSTEM, server(name, name))
        assert core.operations.wait(row.id, 20).status == "done"
    return core


def there(core: Core, name: str) -> Path:
    return Path(core.config.path("network", "networks", model.Network.get(model.Network.name == name).id))


def test_what_somebody_takes_from_the_host_is_made_again(connected: Core) -> None:
    for path in (there(connected, "one"), *Path(connected.config.path("network", "connections")).iterdir()):
        path.unlink()
        networks.repair(connected)
        assert path.exists()
    assert [event.kind for event in connected.events.since(0)].count("networks.repaired") == 3


def test_a_host_that_is_as_it_should_be_is_only_looked_at(connected: Core) -> None:
    fail = Path(connected.config.path("network", "fail"))
    fail.mkdir()
    (fail / "apply").write_text("cannot apply: nothing was missing")
    networks.repair(connected)
    there(connected, "two").unlink()
    networks.repair(connected)
    said = [issue.sentence for issue in model.Issue.select().where(model.Issue.ended.is_null())]
    assert sorted(sentence.partition(":")[0] for sentence in said) == [
        "cannot bring up network one",
        "cannot bring up network two",
    ]


def test_a_network_that_was_refused_comes_up_once_nothing_is_in_its_way(connected: Core) -> None:
    path, bridge = there(connected, "one"), model.Network.get(model.Network.name == "one").bridge
    stranger = Path(connected.config.path("network", "strangers", bridge))
    stranger.parent.mkdir()
    stranger.touch()
    path.unlink()
    for _ in range(2):
        networks.repair(connected)
        assert [issue.noun for issue in model.Issue.select().where(model.Issue.ended.is_null())] == ["networks"]
    stranger.unlink()
    networks.repair(connected)
    assert path.exists()
    assert not model.Issue.select().where(model.Issue.ended.is_null()).exists()


def test_a_network_that_went_meanwhile_is_said_to_be_gone(core: Core) -> None:
    with pytest.raises(NotFound, match="cannot connect to network gone: it is gone"):
        networks.usable("gone")
    with pytest.raises(Conflict, match="there is a network of that name"):
        create(core, SYSTEM, "default")
