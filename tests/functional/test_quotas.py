"""A quota holds whatever is asked for at once: what was promised to operations that are not over counts as used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.errors import QuotaExceeded
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.services.images import operations as images
from origo.services.servers import operations as servers
from tests.functional import kinds

SIZE = 1 << 20


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """An engine that is not started: whatever is asked for waits."""
    with kinds.waiting(tmp_path) as core:
        yield core


@pytest.fixture
def anna(core: Core) -> str:
    return str(model.User.create(name="anna").id)


def allow(anna: str, **quotas: int) -> None:
    model.User.update(**{f"quota_{name}": value for name, value in quotas.items()}).where(
        model.User.id == anna
    ).execute()


def image(core: Core, anna: str, name: str, state: str = "ready") -> str:
    row = model.Image.create(name=name, owner=anna, pool=0, size_bytes=SIZE, state=state)
    path = Path(core.config.path("pools", "0", "trash" if state == "trashed" else "images", f"{row.id}.qcow2"))
    core.local.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE)])
    return str(row.id)


def server(anna: str, name: str) -> str:
    node = model.Node.get()
    return str(model.Server.create(name=name, owner=anna, node=node, memory_mb=64, state="ready").id)


def ask(core: Core, operation: Operation, anna: str, **args: Any) -> Any:
    return core.operations.submit(operation, {"owner": anna, **args}, by=anna)


def test_two_disks_that_grow_at_once_cannot_pass_the_quota_together(core: Core, anna: str) -> None:
    first, second = image(core, anna, "first"), image(core, anna, "second")
    allow(anna, disk_bytes=3 * SIZE)
    ask(core, images.GrowImage(), anna, image=first, size_bytes=2 * SIZE)
    with pytest.raises(QuotaExceeded) as refused:
        ask(core, images.GrowImage(), anna, image=second, size_bytes=2 * SIZE)
    assert (refused.value.details["used"], refused.value.details["wanted"]) == (3 * SIZE, SIZE)


def test_a_new_disk_cannot_take_what_a_growing_one_was_promised(core: Core, anna: str) -> None:
    first = image(core, anna, "first")
    allow(anna, disk_bytes=2 * SIZE)
    row = ask(core, images.GrowImage(), anna, image=first, size_bytes=2 * SIZE)
    new = {"name": "new", "pool": 0, "size_bytes": SIZE}
    with pytest.raises(QuotaExceeded):
        ask(core, images.CreateImage(), anna, **new)
    core.operations.cancel(row.id)
    ask(core, images.CreateImage(), anna, **new)


def test_what_was_promised_counts_once_when_it_is_done(core: Core, anna: str) -> None:
    first, second = image(core, anna, "first"), image(core, anna, "second")
    allow(anna, disk_bytes=4 * SIZE)
    row = ask(core, images.GrowImage(), anna, image=first, size_bytes=2 * SIZE)
    core.operations.start()
    assert core.operations.wait(row.id, 20).status == "done"
    row = ask(core, images.GrowImage(), anna, image=second, size_bytes=2 * SIZE)
    assert core.operations.wait(row.id, 20).status == "done"


def test_two_disks_that_leave_the_trash_at_once_cannot_pass_the_quota_together(core: Core, anna: str) -> None:
    first, second = image(core, anna, "first", "trashed"), image(core, anna, "second", "trashed")
    allow(anna, disk_bytes=SIZE)
    ask(core, images.UndeleteImage(), anna, image=first)
    with pytest.raises(QuotaExceeded):
        ask(core, images.UndeleteImage(), anna, image=second)


@pytest.mark.parametrize(("quota", "change"), [({"cpus": 3}, {"cpus": 2}), ({"memory_mb": 192}, {"memory_mb": 128})])
def test_two_servers_that_are_edited_at_once_cannot_pass_the_quota_together(
    core: Core, anna: str, quota: dict[str, int], change: dict[str, int]
) -> None:
    first, second = server(anna, "first"), server(anna, "second")
    allow(anna, **quota)
    row = ask(core, servers.EditServer(), anna, server=first, changes=change)
    with pytest.raises(QuotaExceeded):
        ask(core, servers.EditServer(), anna, server=second, changes=change)
    core.operations.start()
    assert core.operations.wait(row.id, 20).status == "done"


def test_the_trash_is_no_way_around_the_quota(core: Core, anna: str) -> None:
    new = {"name": "new", "pool": 0, "size_bytes": SIZE}
    allow(anna, disk_bytes=2 * SIZE)
    thrown = [image(core, anna, f"old{number}", "trashed") for number in range(2)]
    ask(core, images.CreateImage(), anna, **new)
    thrown.append(image(core, anna, "old2", "trashed"))
    said = "cannot make image other: anna has 3 MiB in the trash, more than the whole quota of 2 MiB"
    with pytest.raises(QuotaExceeded, match=said) as refused:
        ask(core, images.CreateImage(), anna, **{**new, "name": "other"})
    assert "purge" in refused.value.hint
    core.operations.start()
    for operation in (images.UndeleteImage(), images.PurgeImage()):
        row = ask(core, operation, anna, image=thrown.pop())
        assert core.operations.wait(row.id, 20).status == "done"
    model.Image.delete().where((model.Image.owner == anna) & (model.Image.state == "ready")).execute()
    ask(core, images.CreateImage(), anna, **{**new, "name": "other"})


def test_another_users_operations_are_not_counted(core: Core, anna: str) -> None:
    bert = str(model.User.create(name="bert").id)
    theirs, own = image(core, bert, "theirs"), image(core, anna, "own")
    allow(anna, disk_bytes=2 * SIZE)
    ask(core, images.GrowImage(), bert, image=theirs, size_bytes=9 * SIZE)
    assert ask(core, images.GrowImage(), anna, image=own, size_bytes=2 * SIZE).status == "queued"
