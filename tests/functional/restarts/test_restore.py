"""After a start of the daemon servers do what they are to do, each started once; what is undone is as it was found."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.contracts import Power
from origo.errors import Unavailable
from origo.model import Connection, Issue, Node, OperationRow, Server
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.services import nodes
from origo.services import stacks as stack_verbs
from origo.services.access import SYSTEM
from origo.services.servers import operations, outages, parts, power, shutdowns
from origo.services.stacks import operations as stacks
from origo.testing.fake_hypervisor import FakeHypervisor
from tests.functional import kinds

OWNER = kinds.MINE["owner"]


def only() -> Any:
    return Server.get()


def driver(core: Core) -> Any:
    return nodes.hypervisor(core, Node.get())


def ask(core: Core, operation: Operation, **args: Any) -> Any:
    return core.operations.submit(operation, {"owner": OWNER, **args}, by=OWNER)


def fail(core: Core, method: str) -> None:
    folder = Path(core.config.path("hypervisor", "fail"))
    folder.mkdir(exist_ok=True)
    (folder / method).write_text(f"cannot {method} today")


def after(core: Core, *rows: Any) -> list[str]:
    """How they end."""
    return [core.operations.wait(row.id, 20).status for row in rows]


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def started() -> list[OperationRow]:
    return list(OperationRow.select().where(OperationRow.kind == "servers.start").order_by(OperationRow.id))


def daemon_starts(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    follower.stop()


def guest_ends(core: Core) -> None:
    """By itself, and the daemon hears of it."""
    driver(core)._shut_down(only().id)
    daemon_starts(core)


def test_a_server_that_something_else_is_done_with_is_started_all_the_same(asleep: Core) -> None:
    kinds.lose_power(asleep)
    ask(asleep, operations.EditServer(), server=only().id, changes={"cpus": 2})
    power.restore(asleep)
    asleep.operations.start()
    assert after(asleep, *started()) == ["done"]


def test_the_servers_of_a_stack_are_started_one_after_the_other_in_its_order(core: Core) -> None:
    kinds.a_shop(core)
    kinds.lose_power(core)
    power.restore(core)
    rows = started()
    assert after(core, *rows) == ["done"] * 3
    assert [Server.get_by_id(row.target).name for row in rows] == ["database", "queue", "web"]
    times = [time for row in started() for time in (row.started, row.ended)]
    assert times == sorted(times)


def test_a_server_that_cannot_start_holds_up_no_other_of_its_stack(core: Core) -> None:
    kinds.a_shop(core)
    kinds.lose_power(core)
    Server.update(memory_mb=1 << 21).where(Server.name == "queue").execute()
    power.restore(core)
    assert after(core, *started()) == ["done", "undone", "done"]
    assert {server.desired for server in Server.select()} == {"running"}


def test_a_guest_that_ended_by_itself_while_nobody_looked_stays_down(core: Core) -> None:
    daemon_starts(core)
    guest_ends(core)
    power.restore(core)
    assert (only().power, only().desired, started()) == ("stopped", "stopped", [])


def test_a_guest_that_ends_before_its_server_is_ready_stays_down(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    Server.update(state="creating").execute()
    driver(core)._shut_down(only().id)
    wait_for(lambda: only().power == "stopped")
    parts.settle({"server": only().id, "disks": []})
    follower.stop()
    assert (only().desired, only().settled) == ("stopped", "stopped")


def test_one_that_was_powered_off_from_outside_is_started_again(core: Core) -> None:
    daemon_starts(core)
    driver(core).stop(only().id, force=True)
    daemon_starts(core)
    power.restore(core)
    assert after(core, *started()) == ["done"]


def test_after_a_boot_of_the_machine_every_server_is_started_again(core: Core) -> None:
    daemon_starts(core)
    driver(core)._shut_down(only().id)
    Node.update(boot="another").execute()
    daemon_starts(core)
    power.restore(core)
    assert after(core, *started()) == ["done"]


def test_after_a_boot_of_the_machine_no_server_counts_as_on_until_it_is(core: Core) -> None:
    daemon_starts(core)
    power.after_boot(core)
    assert only().power == "running"
    Node.update(boot="another").execute()
    power.after_boot(core)
    assert (only().power, only().desired) == ("stopped", "running")


def test_a_guest_that_the_engine_shut_down_is_started_again_and_has_no_wish_of_its_own(core: Core) -> None:
    daemon_starts(core)
    Path(core.config.path("hypervisor", "deaf")).unlink()
    shutdowns.shut_down_all(core, 20)
    daemon_starts(core)
    assert (only().power, only().desired) == ("stopped", "running")


def test_after_an_orderly_stop_a_guest_that_ends_by_itself_stays_down_from_the_first_moment(core: Core) -> None:
    shutdowns.shut_down_all(core, 0.1)
    driver(core).start(only().id)
    daemon_starts(core)
    guest_ends(core)
    assert (only().power, only().desired) == ("stopped", "stopped")


def test_an_old_end_of_a_guest_does_not_count_while_it_is_being_started(core: Core) -> None:
    daemon_starts(core)
    driver(core)._shut_down(only().id)
    OperationRow.update(status="running").execute()
    daemon_starts(core)
    assert (only().power, only().desired) == ("stopped", "running")


def test_a_start_makes_a_definition_that_somebody_removed(core: Core) -> None:
    kinds.lose_power(core)
    Path(core.config.path("hypervisor", "servers", f"{only().id}.json")).unlink()
    power.restore(core)
    assert after(core, *started()) == ["done"]
    assert driver(core).state(only().id) is Power.RUNNING


def test_a_server_out_of_the_trash_has_the_hardware_that_its_guest_knows(core: Core) -> None:
    def hardware() -> str:
        path = Path(core.config.path("hypervisor", "servers", f"{only().id}.json"))
        return str(json.loads(path.read_text())["hardware"])

    Server.update(hardware="an older one").execute()
    for operation in (operations.DeleteServer(), operations.UndeleteServer(), operations.StartServer()):
        kinds.run(core, operation, server=only().id, owner=OWNER)
    assert (hardware(), only().hardware) == ("an older one", "an older one")


def test_a_start_that_is_refused_its_definition_is_undone_and_not_stuck(core: Core) -> None:
    kinds.lose_power(core)
    fail(core, "define")
    assert after(core, ask(core, operations.StartServer(), server=only().id)) == ["undone"]


def test_an_undo_goes_back_to_what_was_there_at_its_turn_and_not_when_it_was_asked_for(
    asleep: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = ask(asleep, operations.PowerOffServer(), server=only().id)
    on = ask(asleep, operations.StartServer(), server=only().id)
    start = FakeHypervisor.start

    def begin(self: FakeHypervisor, id: str) -> None:
        start(self, id)
        raise Unavailable("cannot start today")

    monkeypatch.setattr(FakeHypervisor, "start", begin)
    asleep.operations.start()
    assert after(asleep, off, on) == ["done", "undone"]
    assert driver(asleep).state(only().id) is Power.STOPPED
    assert (only().power, only().desired) == ("stopped", "stopped")


def test_what_was_withdrawn_is_nobodys_wish_whatever_came_before_and_after_it(asleep: Core) -> None:
    kinds_ = (operations.PowerOffServer(), operations.StartServer(), operations.ShutdownServer())
    first, second, third = (ask(asleep, kind, server=only().id) for kind in kinds_)
    wanted = []
    for row in (first, third, second):
        asleep.operations.cancel(row.id)
        wanted.append(only().desired)
    assert wanted == ["stopped", "running", "running"]


def test_a_server_that_stood_still_stands_still_again(core: Core) -> None:
    kinds.run(core, operations.SuspendServer(), server=only().id, owner=OWNER)
    fail(core, "suspend")
    assert after(core, ask(core, operations.SuspendServer(), server=only().id)) == ["undone"]
    assert driver(core).state(only().id) is Power.SUSPENDED


def test_a_start_of_a_stack_that_fails_leaves_a_suspended_server_with_its_memory(core: Core) -> None:
    stack = kinds.a_shop(core)
    database = Server.get(Server.name == "database").id
    kinds.run(core, operations.SuspendServer(), server=database, owner=OWNER)
    Server.update(memory_mb=1 << 21, power="stopped").where(Server.name == "queue").execute()
    driver(core).stop(Server.get(Server.name == "queue").id, force=True)
    assert after(core, ask(core, stacks.StartStack(), stack=stack)) == ["undone"]
    assert driver(core).state(database) is Power.SUSPENDED
    assert Server.get_by_id(database).desired == "suspended"


def test_a_server_that_was_deleted_right_after_its_start_leaves_no_connection(asleep: Core) -> None:
    kinds.lose_power(asleep)
    Connection.update(active=False).execute()
    on = ask(asleep, operations.StartServer(), server=only().id)
    gone = ask(asleep, operations.DeleteServer(), server=only().id)
    asleep.operations.start()
    assert after(asleep, on, gone) == ["done", "done"]
    assert not Connection.select().where(Connection.active).exists()


def test_a_guest_that_was_started_while_it_shut_down_is_started_again(core: Core) -> None:
    daemon_starts(core)
    kinds.run(core, operations.ShutdownServer(), server=only().id, owner=OWNER)
    kinds.run(core, operations.StartServer(), server=only().id, owner=OWNER)
    guest_ends(core)
    assert after(core, *started()) == ["done", "done"]
    assert (driver(core).state(only().id), only().desired) == (Power.RUNNING, "running")
    guest_ends(core)
    assert (only().power, only().desired) == ("stopped", "stopped"), "the second time it ended by itself"


def test_a_guest_that_ends_long_after_that_does_so_by_itself(core: Core) -> None:
    daemon_starts(core)
    kinds.run(core, operations.ShutdownServer(), server=only().id, owner=OWNER)
    row = kinds.run(core, operations.StartServer(), server=only().id, owner=OWNER)
    OperationRow.update(ended=row.ended - 3600).where(OperationRow.id == row.id).execute()
    guest_ends(core)
    assert (only().power, only().desired) == ("stopped", "stopped")


def test_guests_that_end_just_after_a_killed_stop_of_the_engine_come_back(core: Core) -> None:
    Node.update(boot=shutdowns.ENDING).execute()
    follower = power.Follower(core)
    follower.start()
    follower.restore()
    driver(core)._shut_down(only().id)
    wait_for(lambda: only().power == "stopped")
    follower._began -= core.config["shutdown_seconds"]
    follower.resync()
    assert after(core, *started()) == ["done"]
    follower.stop()


def test_servers_of_a_node_that_was_not_reached_at_first_are_started_when_it_is(core: Core) -> None:
    kinds.lose_power(core)
    Server.update(power="running").execute()
    Node.update(boot="another").execute()
    fail(core, "list")
    follower = power.Follower(core)
    follower.start()
    follower.restore()
    assert not started()
    Path(core.config.path("hypervisor", "fail", "list")).unlink()
    follower.resync()
    assert after(core, *started()) == ["done"]
    follower.stop()


def test_a_server_that_went_off_by_accident_is_an_issue_until_it_is_on_or_not_wanted(core: Core) -> None:
    def said() -> list[str]:
        return [issue.sentence for issue in Issue.select().where(Issue.ended.is_null())]

    sentence = "cannot keep server web on: it went off, and nobody asked for that"
    for operation in (operations.StartServer(), operations.PowerOffServer()):
        kinds.lose_power(core)
        outages.look(core)
        outages.look(core)
        assert said() == [sentence]
        kinds.run(core, operation, server=only().id, owner=OWNER)
        outages.look(core)
        assert not said()


def test_a_server_that_is_about_to_be_started_is_no_issue(asleep: Core) -> None:
    kinds.lose_power(asleep)
    power.restore(asleep)
    outages.look(asleep)
    assert not Issue.select().exists()


def test_a_stack_is_starting_only_while_something_starts_it(asleep: Core) -> None:
    stack = model.Stack.create(name="shop", owner=OWNER, label="shop-1", answers={}, state="ready")
    Server.update(stack=stack).execute()
    kinds.lose_power(asleep)
    powers = [stack_verbs.show(asleep, SYSTEM, stack.id)["power"]]
    power.restore(asleep)
    powers.append(stack_verbs.show(asleep, SYSTEM, stack.id)["power"])
    assert powers == ["stopped", "starting"]


def test_a_list_that_is_older_than_the_row_does_not_count(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.run(core, operations.PowerOffServer(), server=only().id, owner=OWNER)
    monkeypatch.setattr(kinds.WatchedHypervisor, "list", lambda driver: {only().id: Power.RUNNING})
    power.Follower(core).resync()
    assert only().power == "stopped"


def test_servers_are_started_when_their_pool_comes_back(core: Core) -> None:
    kinds.lose_power(core)
    follower = power.Follower(core)
    fail(core, "start")
    follower.restore()
    assert after(core, *started()) == ["undone"]
    Path(core.config.path("hypervisor", "fail", "start")).unlink()
    for pool in ("7", "0"):
        follower.look()
        assert len(started()) == 1, "no pool has come back, or another one"
        core.events.emit("pool.ready", "pools", pool)
    follower.look()
    follower.look()
    assert after(core, *started()) == ["undone", "done"]


def test_a_node_without_its_driver_keeps_nobody_from_following_the_others(core: Core) -> None:
    Node.create(name="absent", hypervisor="unheard-of")
    follower = power.Follower(core)
    follower.start()
    driver(core).stop(only().id, force=True)
    wait_for(lambda: only().power == "stopped")
    follower.stop()


def test_two_servers_never_get_one_name_by_changes_that_wait(asleep: Core) -> None:
    rename = ask(asleep, operations.EditServer(), server=only().id, changes={"name": "shop"})
    made = asleep.operations.submit(
        operations.CreateServer(),
        kinds.wanted_server() | {"name": "shop", "disks": [], "ports": []},
        by=OWNER,
    )
    asleep.operations.start()
    assert after(asleep, rename, made) == ["undone", "done"]
    assert Server.select().where(Server.name == "shop").count() == 1
