"""A stack's password reaches its guest at every start, and lies nowhere in the clear."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.errors import Conflict
from origo.model import Server
from origo.operations.core import Core
from origo.services.access import SYSTEM
from origo.services.catalog.operations import DeleteEntry
from origo.services.images.operations import FlattenImage
from origo.services.servers import seeding, spec
from origo.services.servers.operations import PowerOffServer, StartServer
from origo.services.stacks.operations import InstallStack
from tests.functional import kinds

PASSWORD = b"correct-horse-battery"


class Opening(kinds.WatchedHypervisor):
    """Opens the last disk when it starts, as any hypervisor does, and keeps what it found."""

    def start(self, id: str) -> None:
        super().start(id)
        medium = Path(json.loads(self._path("servers", id).read_text())["disks"][-1]["path"])
        (self.world / "opened").write_text("whole" if PASSWORD in medium.read_bytes() else "without")


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A stack with a password, installed."""
    kinds.before(kinds.an_entry)(tmp_path)
    core = kinds.open_core(tmp_path, kinds.FAKES | {"hypervisor": Opening})
    core.operations.start()
    secret = core.secrets.seal(json.dumps({"password": PASSWORD.decode()}))
    kinds.run(core, InstallStack(), **kinds.wanted_stack() | {"secret": secret})
    yield core
    core.operations.stop()
    core.supervisor.stop_all()
    model.database.close()


def only() -> Any:
    return Server.get()


def opened(core: Core) -> str:
    """What the hypervisor found at the last start."""
    path = Path(core.config.path("hypervisor", "opened"))
    found = path.read_text()
    path.unlink()
    return found


def in_the_clear(core: Core) -> list[Path]:
    return [path for path in Path(core.config.home).rglob("*") if path.is_file() and PASSWORD in path.read_bytes()]


def cut_off(core: Core) -> Path:
    """What a write of the medium leaves that was killed."""
    medium = Path(spec.seed_path(core, only()))
    left = medium.with_name(f".{medium.name}.new")
    left.write_bytes(PASSWORD)
    return left


def off(core: Core) -> None:
    kinds.run(core, PowerOffServer(), server=only().id, **kinds.MINE)


def start(core: Core) -> Any:
    return core.operations.submit(StartServer(), {"server": only().id, **kinds.MINE}, by=SYSTEM.id)


def test_a_password_is_on_the_medium_when_it_is_opened_and_gone_from_the_disk_then(core: Core) -> None:
    assert (opened(core), in_the_clear(core)) == ("whole", [])


def test_a_guest_that_lives_in_memory_finds_it_again_at_its_next_start(core: Core) -> None:
    opened(core)
    off(core)
    core.operations.wait(start(core).id, 20)
    assert (opened(core), in_the_clear(core)) == ("whole", [])


def test_a_start_that_fails_leaves_no_password(core: Core) -> None:
    off(core)
    fail = Path(core.config.path("hypervisor", "fail"))
    fail.mkdir()
    (fail / "start").write_text("cannot start today")
    assert core.operations.wait(start(core).id, 20).status == "undone"
    assert in_the_clear(core) == []


def test_what_a_killed_start_left_is_gone_after_the_next(core: Core) -> None:
    off(core)
    Path(spec.seed_path(core, only())).write_bytes(PASSWORD)
    cut_off(core)
    core.operations.wait(start(core).id, 20)
    assert in_the_clear(core) == []


def test_what_a_killed_write_left_is_gone_after_the_next_also_without_a_password(core: Core) -> None:
    model.Stack.update(secret="").execute()
    left = cut_off(core)
    seeding.write(core, only())
    assert not left.exists()


def test_what_a_killed_write_left_goes_with_the_medium(core: Core) -> None:
    left, medium = cut_off(core), Path(spec.seed_path(core, only()))
    seeding.remove(core, only())
    seeding.remove(core, only())
    assert not left.exists() and not medium.exists()


def test_an_entry_stays_in_the_catalog_while_a_stack_of_it_is_installed(core: Core) -> None:
    off(core)
    for disk in model.Disk.select():
        kinds.run(core, FlattenImage(), image=disk.image_id, **kinds.MINE)
    with pytest.raises(Conflict, match="cannot take hello 1 out of the catalog: stack hello is started with it"):
        core.operations.submit(DeleteEntry(), {"entry": model.CatalogStack.get().id}, by=SYSTEM.id)
