"""The guests of a stack shut down in the order of their stack, and people are told what is waited for."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo.contracts import Power
from origo.model import Issue, Server
from origo.operations.core import Core
from origo.services import nodes, stacks
from origo.services.access import SYSTEM
from origo.services.servers import power, shutdowns
from origo.services.servers.operations import EditServer
from origo.services.stacks.operations import StartStack, StopStack
from tests.functional import kinds
from tests.functional.watching import eventually


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A stack: the database starts first, then web and queue side by side. Guests ignore the power button."""
    with kinds.running(tmp_path, kinds.a_server, kinds.a_shop) as core:
        Server.update(position=2).where(Server.name == "queue").execute()
        yield core


def driver(core: Core) -> Any:
    return nodes.hypervisor(core, Server.select().first().node)


def up(core: Core) -> set[str]:
    return {server.name for server in Server.select() if driver(core).state(server.id) is not Power.STOPPED}


def hear(core: Core) -> None:
    """From now on guests react to the power button."""
    Path(core.config.path("hypervisor", "deaf")).unlink()


def told(core: Core) -> list[str]:
    return [event.data["sentence"] for event in core.events.since(0, 1000) if event.kind == "server.waiting"]


def asked(core: Core) -> list[str]:
    return sorted(sentence.split()[2] for sentence in told(core))


def stop(core: Core) -> None:
    kinds.run(core, StopStack(), stack=kinds.stack(), **kinds.MINE)


def test_the_database_is_not_asked_while_those_that_were_started_after_it_are_up(core: Core) -> None:
    hear(core)
    stop(core)
    assert eventually(lambda: up(core) == {"database"}, 10)
    time.sleep(0.3)
    assert up(core) == {"database"}


def test_a_stack_of_which_some_are_off_already_is_stopping_and_not_degraded(core: Core) -> None:
    hear(core)
    stop(core)
    assert eventually(lambda: up(core) == {"database"}, 10)
    Server.update(power="stopped").where(Server.name != "database").execute()
    assert stacks.show(core, SYSTEM, kinds.stack())["power"] == "stopping"


def test_it_is_asked_as_soon_as_they_are_down(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    hear(core)
    stop(core)
    assert eventually(lambda: not up(core), 10)
    follower.stop()


def test_a_stack_that_is_started_while_it_stops_runs_in_the_end(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    stop(core)
    kinds.run(core, StartStack(), stack=kinds.stack(), **kinds.MINE)
    for name in ("web", "queue"):
        driver(core)._shut_down(Server.get(Server.name == name).id)
    assert eventually(lambda: {server.power for server in Server.select()} == {"running"} and len(up(core)) == 3, 10)
    assert {server.desired for server in Server.select()} == {"running"}
    follower.stop()


def test_those_of_one_level_are_asked_side_by_side_and_each_is_told_with_its_time(core: Core) -> None:
    stop(core)
    shutdowns.Shutdowns(core, 60).remind()
    assert sorted(told(core)) == [f"waiting for {name} to shut down, 0 s of 60" for name in ("queue", "web")]


def test_one_that_does_not_react_in_its_time_holds_up_no_other(core: Core) -> None:
    stop(core)
    watching = shutdowns.Shutdowns(core, 0)
    watching.remind()
    watching.remind()
    assert asked(core) == ["database", "queue", "web"]


def test_the_clock_may_jump_while_a_guest_shuts_down(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    stop(core)
    watching = shutdowns.Shutdowns(core, 60)
    watching.remind()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    watching.remind()
    assert asked(core) == ["queue", "web"]
    assert not Issue.select().exists()


def test_a_stop_of_the_engine_keeps_the_order_and_leaves_time_for_every_level(core: Core) -> None:
    order: list[str] = []
    watch = driver(core).watch(lambda event: order.append(Server.get_by_id(event.id).name))
    shutdowns.shut_down_all(core, 1)
    assert sorted(order) == ["database", "queue", "web"]
    assert asked(core) == ["database", "queue", "web"]
    assert told(core)[-1] == "waiting for database to shut down, 0 s of 0"
    watch.close()


def test_a_guest_is_asked_again_even_if_something_else_was_done_with_it_since(core: Core) -> None:
    stop(core)
    web = Server.get(Server.name == "web")
    kinds.run(core, EditServer(), server=web.id, changes={"cpus": 2}, **kinds.MINE)
    shutdowns.Shutdowns(core, 60).remind()
    assert asked(core) == ["queue", "web"]
