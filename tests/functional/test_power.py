"""What servers do is followed, restored and ended as people asked for it, whatever a guest or an event does."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.contracts import Power, StateEvent
from origo.errors import QuotaExceeded
from origo.operations.base import Context
from origo.operations.core import Core
from origo.services import networks, nodes
from origo.services.networks import operations as network_operations
from origo.services.servers import operations, power, rebuilding, shutdowns
from tests.functional import kinds
from tests.functional.watching import eventually, open_issues

MINE = {"owner": kinds.MINE["owner"]}


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A running server whose guest ignores the power button."""
    with kinds.running(tmp_path, kinds.a_server) as core:
        yield core


def server() -> Any:
    return model.Server.get()


def driver(core: Core) -> Any:
    return nodes.hypervisor(core, server().node)


def shut_down(core: Core) -> None:
    kinds.run(core, operations.ShutdownServer(), server=server().id, **MINE)


def world(core: Core, name: str) -> Path:
    return Path(core.config.path("hypervisor", name))


def test_a_guest_that_missed_the_power_button_is_asked_again(core: Core) -> None:
    shut_down(core)
    world(core, "deaf").unlink()
    shutdowns.Shutdowns(core, 60).remind()
    assert eventually(lambda: driver(core).state(server().id) is Power.STOPPED)
    assert not open_issues()


def test_a_guest_that_does_not_react_is_an_issue_until_it_is_off(core: Core) -> None:
    shut_down(core)
    watching = shutdowns.Shutdowns(core, 0)
    watching.remind()
    assert not open_issues()
    watching.remind()
    assert open_issues() == ["cannot shut down server web: its guest does not react"]
    kinds.run(core, operations.PowerOffServer(), server=server().id, **MINE)
    watching.remind()
    assert not open_issues()


def test_nobody_is_asked_again_who_was_started_meanwhile(core: Core) -> None:
    shut_down(core)
    kinds.run(core, operations.StartServer(), server=server().id, **MINE)
    world(core, "deaf").unlink()
    shutdowns.Shutdowns(core, 60).remind()
    assert not eventually(lambda: driver(core).state(server().id) is Power.STOPPED)


def test_a_stop_of_the_engine_asks_again_a_guest_that_was_still_booting(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdowns, "AGAIN_SECONDS", 0.1)
    seen: list[StateEvent] = []
    watch = driver(core).watch(seen.append)
    threading.Timer(0.3, world(core, "deaf").unlink).start()
    shutdowns.shut_down_all(core, 20)
    watch.close()
    assert [(event.state, event.reason) for event in seen] == [(Power.STOPPED, "shutdown")]
    assert server().desired == "running"


def test_a_stop_of_the_engine_powers_off_at_its_deadline(core: Core) -> None:
    shutdowns.shut_down_all(core, 0.3)
    assert driver(core).state(server().id) is Power.STOPPED


def test_a_server_that_the_hypervisor_forgot_keeps_no_engine_from_stopping(core: Core) -> None:
    world(core, f"servers/{server().id}.json").unlink()
    began = time.monotonic()
    shutdowns.shut_down_all(core, 60)
    assert time.monotonic() - began < 30


def test_a_guest_that_shuts_itself_down_stays_down(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    world(core, "deaf").unlink()
    driver(core).stop(server().id, force=False)
    assert eventually(lambda: server().desired == "stopped")
    follower.stop()
    assert server().power == "stopped"


def test_news_that_came_late_do_not_count(core: Core) -> None:
    power.Follower(core)._note(StateEvent(server().id, Power.STOPPED, "shutdown"))
    assert (server().power, server().desired) == ("running", "running")


def test_a_network_in_trouble_keeps_nobody_from_following(core: Core) -> None:
    driver(core).stop(server().id, force=True)
    fail = Path(core.config.path("network", "fail"))
    fail.mkdir()
    (fail / "apply").write_text("cannot make bridges today")
    follower = power.Follower(core)
    follower.start()
    assert server().power == "stopped"
    driver(core).start(server().id)
    assert eventually(lambda: server().power == "running")
    follower.stop()


def test_a_hypervisor_that_does_not_answer_is_an_issue_until_it_does(core: Core) -> None:
    follower, fail = power.Follower(core), world(core, "fail")
    fail.mkdir()
    (fail / "list").write_text("cannot reach libvirt today")
    follower.resync(tell=False)
    assert open_issues() == [], "it may just be started anew"
    follower.resync()
    assert open_issues() == ["cannot tell what the servers on node local do, nor start any: cannot reach libvirt today"]
    (fail / "list").unlink()
    power.Follower(core).resync()
    assert open_issues() == []


def test_a_server_that_could_not_go_on_is_not_taken_for_suspended(core: Core) -> None:
    follower = power.Follower(core)
    follower.start()
    Path(core.config.path("hypervisor", "power", server().id)).write_text("paused")
    follower._events.put(StateEvent(server().id, Power.SUSPENDED))
    assert eventually(lambda: server().power == "paused")
    follower.stop()


def test_a_suspended_server_is_suspended_again_after_a_reboot(core: Core) -> None:
    kinds.run(core, operations.SuspendServer(), server=server().id, **MINE)
    driver(core).stop(server().id, force=True)
    power.Follower(core).resync()
    assert server().power == "stopped"
    power.restore(core)
    assert eventually(lambda: server().power == "suspended")
    assert (server().desired, driver(core).state(server().id)) == ("suspended", Power.SUSPENDED)


def test_one_network_that_the_host_refuses_leaves_the_others_working(core: Core) -> None:
    bad = model.Network.get()
    good = network_operations.add(core, bad.owner_id, "good", nat=True)
    networks.reserve(server(), good, position=1, ports=[])
    model.Connection.update(active=True).execute()
    stranger = Path(core.config.path("network", "strangers", bad.bridge))
    stranger.parent.mkdir()
    stranger.touch()
    for name in (bad.id, good.id):
        Path(core.config.path("network", "networks", name)).unlink(missing_ok=True)
    networks.apply_all(core)
    there = networks.driver(core).current()
    assert good.id in there and bad.id not in there
    assert [sentence.partition(":")[0] for sentence in open_issues()] == ["cannot bring up network default"]
    stranger.unlink()
    networks.apply_all(core)
    assert {good.id, bad.id} <= networks.driver(core).current()
    assert not open_issues()


def test_a_server_that_was_rebuilt_before_its_turn_is_not_deleted_with_its_old_disk(core: Core) -> None:
    kinds.run(core, operations.PowerOffServer(), server=server().id, **MINE)
    args = {"server": server().id, **MINE}
    with kinds.reopened(core) as again:
        rebuild = again.operations.submit(rebuilding.RebuildServer(), args, by=MINE["owner"])
        delete = again.operations.submit(operations.DeleteServer(), args, by=MINE["owner"])
        again.operations.start()
        assert again.operations.wait(rebuild.id, 20).status == "done"
        row = again.operations.wait(delete.id, 20)
    assert (row.status, row.error["message"]) == ("undone", "cannot delete server web: its disks changed meanwhile")


def test_what_comes_out_of_the_trash_counts_against_the_quota(core: Core) -> None:
    kinds.run(core, operations.DeleteServer(), server=server().id, **MINE)
    model.User.update(quota_disk_bytes=1).execute()
    with pytest.raises(QuotaExceeded, match="undelete server web"):
        core.operations.submit(operations.UndeleteServer(), {"server": server().id, **MINE}, by=MINE["owner"])


def test_two_edits_that_only_fit_one_by_one_are_not_both_done(core: Core) -> None:
    model.User.update(quota_memory_mb=100).execute()
    edit = operations.EditServer()
    context = Context(core, {"server": server().id, "changes": {"memory_mb": 96}, **MINE}, {}, MINE["owner"])
    edit.prepare(context)
    model.Server.create(name="other", owner=MINE["owner"], node=server().node, memory_mb=30, state="ready")
    with pytest.raises(QuotaExceeded):
        edit.finish(context)


def test_a_server_that_runs_and_that_no_row_knows_is_an_issue_until_it_is_off(core: Core) -> None:
    id, follower = model.new_id(), power.Follower(core)
    for place in ("servers/{}.json", "power/{}"):
        shutil.copy(world(core, place.format(server().id)), world(core, place.format(id)))
    for _ in range(2):
        follower.resync()
        assert open_issues() == [f"a server runs on node local that this engine does not know: {id}"]
    driver(core).stop(id, force=True)
    follower.resync()
    assert open_issues() == []
    model.Server.update(state="trashed").execute()
    follower.resync()
    assert open_issues() == [f"a server runs on node local that this engine does not know: {server().id}"]
    follower.stop()
