"""What images, servers and their owners are promised, on real disks with a hypervisor and a network of files."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from pydantic import ValidationError

from origo import disks, model
from origo.api.images import ImageClone, ImageCreate, ImageGrow, ImageImport
from origo.api.models import TrashPage
from origo.api.route import Page
from origo.api.servers import DiskCreate, ServerCreate, ServerEdit
from origo.errors import BadInput, Conflict, NoRoom, NotFound, OrigoError, QuotaExceeded
from origo.model import Connection, Node, Server, User
from origo.operations.core import Core
from origo.services import catalog, images, networks, nodes, operations, servers, stacks
from origo.services.access import SYSTEM, Actor
from origo.services.servers import power
from tests.functional import kinds
from tests.functional.watching import queries

SIZE = 1 << 20


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def user(name: str, **quotas: int) -> Actor:
    row = User.create(name=name, **quotas)
    return Actor(id=row.id, name=name, role="user")


def done(core: Core, row: Any) -> Any:
    row = core.operations.wait(row.id, 20)
    assert row.status == "done", row.error
    return row


def disk(core: Core, actor: Actor, name: str = "disk") -> str:
    return done(core, images.create(core, actor, ImageCreate(name=name, size_bytes=SIZE))).target


def master(core: Core, actor: Actor) -> str:
    id = disk(core, actor, "base")
    done(core, images.make_master(core, actor, id))
    return id


def server(core: Core, actor: Actor, name: str = "web1", **more: Any) -> str:
    body = ServerCreate(name=name, memory_mb=64, disks=[DiskCreate(size_bytes=SIZE)], **more)
    return done(core, servers.create(core, actor, body)).target


def test_an_image_that_a_server_uses_cannot_be_deleted_and_the_server_is_named(core: Core) -> None:
    server(core, SYSTEM)
    with pytest.raises(Conflict, match="cannot delete image web1: server web1 uses it"):
        images.delete(core, SYSTEM, "web1")


def test_a_master_cannot_be_deleted_before_its_children_not_even_those_in_the_trash(core: Core) -> None:
    base = master(core, SYSTEM)
    child = done(core, images.clone(core, SYSTEM, base, ImageClone(name="child"))).target
    with pytest.raises(Conflict, match="image child is a child of it"):
        images.delete(core, SYSTEM, base)
    done(core, images.delete(core, SYSTEM, child))
    with pytest.raises(Conflict) as caught:
        images.delete(core, SYSTEM, base)
    assert caught.value.hint == "purge it too"
    done(core, images.purge(core, SYSTEM, "child"))
    done(core, images.delete(core, SYSTEM, base))


def test_a_flattened_child_no_longer_holds_its_master(core: Core) -> None:
    base = master(core, SYSTEM)
    child = done(core, images.clone(core, SYSTEM, base, ImageClone(name="child"))).target
    done(core, images.flatten(core, SYSTEM, child))
    assert images.show(core, SYSTEM, child)["master"] is None
    done(core, images.delete(core, SYSTEM, base))


def test_an_image_shows_everything_that_depends_on_it(core: Core) -> None:
    base = master(core, SYSTEM)
    body = ServerCreate(name="web1", memory_mb=64, disks=[DiskCreate(master=base)])
    done(core, servers.create(core, SYSTEM, body))
    used = images.show(core, SYSTEM, base)["used_by"]
    assert [(one["noun"], one["name"]) for one in used] == [("image", "web1")]
    assert images.show(core, SYSTEM, "web1")["used_by"][0]["noun"] == "server"


def test_a_disk_only_grows_and_never_under_a_running_server(core: Core) -> None:
    id = disk(core, SYSTEM)
    with pytest.raises(BadInput, match="it has 1 MiB already"):
        images.grow(core, SYSTEM, id, ImageGrow(size_bytes=SIZE))
    done(core, images.grow(core, SYSTEM, id, ImageGrow(size_bytes=2 * SIZE)))
    assert images.show(core, SYSTEM, id)["size_bytes"] == 2 * SIZE
    server(core, SYSTEM)
    with pytest.raises(Conflict, match="server web1 runs on it"):
        images.grow(core, SYSTEM, "web1", ImageGrow(size_bytes=2 * SIZE))


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "a/b", "..", "", "absent.qcow2"])
def test_an_ordinary_user_imports_only_from_the_own_folder(core: Core, file: str) -> None:
    with pytest.raises(OrigoError, match="cannot import"):
        images.import_(core, user("ada"), ImageImport(name="x", file=file))


def test_what_is_another_users_is_not_found_and_not_listed(core: Core) -> None:
    ada, eve = user("ada"), user("eve")
    image, machine = disk(core, ada), server(core, ada)
    for verb in (images.show, images.delete, images.flatten, images.make_master, images.purge):
        with pytest.raises(NotFound):
            verb(core, eve, image)
    for verb in (servers.show, servers.start, servers.poweroff, servers.delete, servers.rebuild, servers.purge):
        with pytest.raises(NotFound):
            verb(core, eve, machine)
    assert images.list_(core, eve, TrashPage())["items"] == []
    assert servers.list_(core, eve, TrashPage())["items"] == []
    theirs = networks.show_row(Connection.get(Connection.server == machine).network)["id"]
    with pytest.raises(NotFound):
        networks.show(core, eve, theirs)


def test_a_server_on_another_users_network_or_image_is_refused(core: Core) -> None:
    ada, eve = user("ada"), user("eve")
    image = disk(core, ada)
    network = networks.default(core, ada.id).id
    with pytest.raises(NotFound):
        servers.create(core, eve, ServerCreate(name="x", disks=[DiskCreate(image=image)]))
    with pytest.raises(NotFound):
        servers.create(core, eve, ServerCreate(name="x", network=network))


def test_a_disk_has_whole_sectors_whatever_size_is_asked_for(core: Core) -> None:
    id = done(core, images.create(core, SYSTEM, ImageCreate(name="odd", size_bytes=SIZE + 1))).target
    assert images.show(core, SYSTEM, id)["size_bytes"] == SIZE + 512
    done(core, images.grow(core, SYSTEM, id, ImageGrow(size_bytes=2 * SIZE + 1)))
    assert images.show(core, SYSTEM, id)["size_bytes"] == 2 * SIZE + 512
    assert disks.inspect(core.local, images.show(core, SYSTEM, id)["path"]).size_bytes == 2 * SIZE + 512


@pytest.mark.parametrize("size_bytes", [-1, 0, 1, SIZE - 1, (64 << 40) + 1])
def test_a_disk_that_is_too_small_or_too_large_is_refused(size_bytes: int) -> None:
    with pytest.raises(ValidationError):
        ImageCreate(name="odd", size_bytes=size_bytes)


@pytest.mark.parametrize(
    ("quota", "resource"),
    [({"quota_memory_mb": 100}, "memory"), ({"quota_cpus": 1}, "CPUs"), ({"quota_disk_bytes": SIZE}, "disk space")],
)
def test_a_quota_is_kept_and_the_sentence_says_what_is_used(core: Core, quota: dict[str, int], resource: str) -> None:
    ada = user("ada", **quota)
    server(core, ada, start=False)
    before = Server.select().count()
    with pytest.raises(QuotaExceeded) as caught:
        server(core, ada, "web2", start=False)
    assert (caught.value.details["resource"], Server.select().count()) == (resource, before)


def test_sentences_have_sizes_and_articles_as_people_write_them(core: Core) -> None:
    ada = user("ada", quota_disk_bytes=3 * SIZE // 2)
    disk(core, ada)
    with pytest.raises(QuotaExceeded, match="it takes 1 MiB, and ada uses 1 MiB of a quota of 1.5 MiB"):
        disk(core, ada, "other")
    with pytest.raises(Conflict, match="cannot use the name disk: there is an image of that name"):
        disk(core, ada)


def test_an_entry_of_the_catalog_that_is_in_use_names_the_stack(core: Core) -> None:
    kinds.a_stack(core)
    with pytest.raises(Conflict, match="cannot take hello 1 out of the catalog: stack hello is made from it"):
        catalog.delete(core, SYSTEM, "hello")
    done(core, stacks.delete(core, SYSTEM, "hello"))
    with pytest.raises(Conflict, match="stack hello, which is in the trash, is made from it") as caught:
        catalog.delete(core, SYSTEM, "hello")
    assert caught.value.hint == "purge it first"
    done(core, stacks.purge(core, SYSTEM, "hello"))
    done(core, catalog.delete(core, SYSTEM, "hello"))


def test_a_deleted_server_gives_its_quota_back_and_takes_it_again_when_it_is_restored(core: Core) -> None:
    ada = user("ada", quota_memory_mb=100)
    first = server(core, ada, start=False)
    done(core, servers.delete(core, ada, first))
    server(core, ada, "web2", start=False)
    with pytest.raises(QuotaExceeded):
        servers.undelete(core, ada, first)


def test_more_memory_than_the_node_has_is_refused_before_anything_is_made(core: Core) -> None:
    with pytest.raises(NoRoom, match="node local has .* MB left"):
        servers.create(core, SYSTEM, ServerCreate(name="giant", memory_mb=1 << 20, disks=[DiskCreate(size_bytes=SIZE)]))
    assert Server.select().count() == 0


def test_a_hundred_nodes_are_listed_by_as_many_queries_as_one_and_only_this_machine_knows_its_free_memory(
    core: Core,
) -> None:
    server(core, user("ada"))
    local = nodes.list_(core, SYSTEM, Page())["items"][0]
    assert local["memory_promised_mb"] == 64 and local["memory_available_mb"] > 0
    few = len(queries(lambda: nodes.list_(core, SYSTEM, Page())))
    for number in range(100):
        Node.create(name=f"far{number}", address=f"10.9.0.{number}", hypervisor="files", memory_mb=1024)
    assert len(queries(lambda: nodes.list_(core, SYSTEM, Page(limit=500)))) == few
    far = [node for node in nodes.list_(core, SYSTEM, Page(limit=500))["items"] if node["name"] != "local"]
    assert len(far) == 100
    assert {(node["memory_promised_mb"], node["memory_available_mb"]) for node in far} == {(0, None)}
    assert len(nodes.list_(core, SYSTEM, Page(limit=10))["items"]) == 10


def test_a_running_server_is_edited_and_a_name_that_is_taken_is_refused(core: Core) -> None:
    server(core, SYSTEM, "web1")
    server(core, SYSTEM, "web2")
    with pytest.raises(Conflict, match="there is a server of that name"):
        servers.edit(core, SYSTEM, "web1", ServerEdit(name="web2"))
    done(core, servers.edit(core, SYSTEM, "web1", ServerEdit(memory_mb=80, name="web3")))
    assert servers.show(core, SYSTEM, "web3")["memory_mb"] == 80


def test_an_address_is_never_two_servers_not_even_one_in_the_trash(core: Core) -> None:
    first = server(core, SYSTEM, "web1")
    done(core, servers.delete(core, SYSTEM, first))
    server(core, SYSTEM, "web2")
    addresses = [row.address for row in Connection.select()]
    assert len(set(addresses)) == len(addresses) == 2
    done(core, servers.purge(core, SYSTEM, first))
    assert Connection.select().count() == 1


def test_a_guest_that_shuts_itself_down_is_left_off_and_one_that_vanished_is_started_again(core: Core) -> None:
    quitter, victim = server(core, SYSTEM, "quitter"), server(core, SYSTEM, "victim")
    follower = power.Follower(core)
    follower.start()
    driver = core.drivers.hypervisor("files", core.local, model.Node.get().options)
    (Path(core.config.path("hypervisor")) / "deaf").unlink()
    driver.stop(quitter, force=False)
    driver.stop(victim, force=True)
    wait_for(lambda: {row.power for row in Server.select()} == {"stopped"})
    wait_for(lambda: Server.get_by_id(quitter).desired == "stopped")
    power.restore(core)
    wait_for(lambda: Server.get_by_id(victim).power == "running")
    follower.stop()
    assert Server.get_by_id(quitter).power == "stopped"


def test_operations_end_in_their_order_whatever_the_clock_does(core: Core) -> None:
    for year in (2031, 2020, 2040):
        with time_machine.travel(f"{year}-01-01", tick=True):
            disk(core, SYSTEM, f"disk{year}")
    listed = operations.list_(core, SYSTEM, SimpleNamespace(active=False, q="", limit=10, cursor=""))
    assert [item["status"] for item in listed["items"]] == ["done"] * 3
    ids = [event.id for event in core.events.since(0, 1000)]
    assert ids == sorted(ids)
    assert images.list_(core, SYSTEM, TrashPage(limit=2))["next"]
