"""Every kind of operation in a world of its own: an engine on files instead of a hypervisor and a network."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from origo_plugins.storage_rsync.driver import RsyncStorage

from origo import disks, home, model
from origo.config import load
from origo.contracts import Driver
from origo.events import Events
from origo.host import Host
from origo.host.local import LocalHost
from origo.model import migrations
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.plugins import Drivers
from origo.secrets import Secrets
from origo.services import engine, issues, kinds, networks, nodes, pools
from origo.services.access import SYSTEM
from origo.services.catalog import build, descriptor, recipe_read
from origo.services.catalog.descriptor import MasterFile
from origo.services.images import operations as images
from origo.services.pools import keeping
from origo.services.servers import operations as servers
from origo.services.servers import power
from origo.services.stacks import operations as stacks
from origo.supervise import Supervisor
from origo.testing import killing
from origo.testing.fake_hypervisor import FakeHypervisor
from origo.testing.fake_network import FakeNetwork

HELLO = Path(__file__).parents[2] / "appliance/stacks/hello"
SIZE = 1 << 20
RECIPE = """
name = "own"
version = "1"
title = "Own"
[base]
image = "disk.img"
sha256 = "{sha256}"
[[server]]
name = "own"
memory = "64M"
disk = "16M"
"""


class WatchedHypervisor(FakeHypervisor):
    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, {"world": options["state"]})
        killing.watch(self, "hypervisor")


class WatchedNetwork(FakeNetwork):
    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, {"world": options["state"]})
        killing.watch(self, "network")


class WatchedStorage(RsyncStorage):
    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        killing.watch(self, "storage")


FAKES: Mapping[str, type[Driver]] = {
    "hypervisor": WatchedHypervisor,
    "network": WatchedNetwork,
    "storage": WatchedStorage,
}


def open_core(folder: Path, classes: Mapping[str, type[Driver]] = FAKES, services: str = "") -> Core:
    """The parts of an engine whose home is that folder, as the spine makes them; not started.

    `services` is the folder of its programs, by default one in its home.
    """
    home.make(folder)
    values: dict[str, Any] = {
        "hypervisor": "files",
        "libvirt": "own",
        "network": "files",
        "storage": "files",
        "memory_reserve_mb": 0,
        "workers": 2,
    }
    config = load(folder, {})
    config = replace(config, values=dict(config.values) | values | {"cache": config.path("cache")})
    model.connect(config.path("origo.db"))
    migrations.migrate()
    events = Events()
    drivers = Drivers(())
    for kind, cls in classes.items():
        drivers.register(kind, "files", cls)
    local = killing.watch(LocalHost(), "host")
    core = Core(
        config=config,
        local=local,
        secrets=Secrets(Path(config.path("keys"))),
        events=events,
        drivers=drivers,
        supervisor=Supervisor(services or config.path("run", "services"), lambda name, sentence: None),
        operations=Engine(
            events, local.end, workers=2, backoff=(0.01,) * 3, on_stuck=functools.partial(issues.of_operation, events)
        ),
    )
    core.operations.core = core
    core.operations.register(kinds.ALL)
    return core


def before(*wanted: Callable[[Core], object]) -> Callable[[Path], None]:
    """A world with a node, a pool, and whatever else is wanted."""

    def prepare(folder: Path) -> None:
        core = open_core(folder)
        furnish(core)
        for name in ("hypervisor/servers", "hypervisor/power", "network/networks", "network/connections"):
            Path(core.config.path(name)).mkdir(parents=True)
        Path(core.config.path("hypervisor", "deaf")).touch()
        core.operations.start()
        for want in wanted:
            want(core)
        core.operations.stop()

    return prepare


def furnish(core: Core) -> None:
    """What every engine has: itself, a node, a pool, a network."""
    engine.ensure(core)
    nodes.ensure_local(core)
    model.Node.update(memory_mb=8192, cpus=4).execute()
    keeping.make_first(core)
    networks.default(core, SYSTEM.id)


@contextlib.contextmanager
def running(folder: Path, *wanted: Callable[[Core], object]) -> Iterator[Core]:
    """The engine of such a world, started; ended afterwards."""
    before(*wanted)(folder)
    core = open_core(folder)
    core.operations.start()
    try:
        yield core
    finally:
        core.operations.stop()
        core.supervisor.stop_all()
        model.database.close()


@contextlib.contextmanager
def waiting(folder: Path) -> Iterator[Core]:
    """An engine that is not started: whatever is asked for waits."""
    core = open_core(folder)
    furnish(core)
    try:
        yield core
    finally:
        core.operations.stop()
        model.database.close()


@contextlib.contextmanager
def reopened(core: Core) -> Iterator[Core]:
    """The same engine anew, before its operations are taken up; they end afterwards."""
    core.operations.stop()
    again = open_core(Path(core.config.home))
    try:
        yield again
    finally:
        again.operations.stop()


def lose_power(core: Core) -> None:
    """Everything stops as in a power cut, and the daemon hears of it."""
    for row in model.Server.select():
        nodes.hypervisor(core, row.node).stop(row.id, force=True)
    power.Follower(core).resync()


def run(core: Core, operation: Operation, **args: Any) -> Any:
    """Run an operation to its end."""
    row = core.operations.submit(operation, args, by=SYSTEM.id)
    row = core.operations.wait(row.id, 20)
    assert row.status == "done", (row.status, row.error, row.note)
    return row


def without_a_pool(core: Core) -> None:
    """An engine that nobody has set up yet."""
    pool = model.Pool.get(model.Pool.id == 0)
    pools.driver(core, pool).destroy(pools.spec(pool))
    pool.delete_instance()


def an_image(core: Core) -> None:
    run(core, images.CreateImage(), name="disk", owner=SYSTEM.id, pool=0, size_bytes=SIZE)


def a_master(core: Core) -> None:
    an_image(core)
    run(core, images.MakeMaster(), image=image(), owner=SYSTEM.id)


def a_child(core: Core) -> None:
    a_master(core)
    run(core, images.CloneImage(), master=image(), name="child", owner=SYSTEM.id, size_bytes=None)


def a_trashed_image(core: Core) -> None:
    an_image(core)
    run(core, images.DeleteImage(), image=image(), owner=SYSTEM.id)


def a_file(core: Core) -> None:
    path = core.config.path("incoming", "file.qcow2")
    disks.create(core.local, path, SIZE)
    core.local.protect(path, mode=0o644)
    core.local.protect(core.config.path("incoming"), mode=0o711)


def a_server(core: Core) -> None:
    a_master(core)
    run(core, servers.CreateServer(), **wanted_server())


def a_stopped_server(core: Core) -> None:
    a_server(core)
    run(core, servers.PowerOffServer(), server=server(), owner=SYSTEM.id)
    networks.apply_all(core)  # as is done when a server has stopped


def a_suspended_server(core: Core) -> None:
    a_server(core)
    run(core, servers.SuspendServer(), server=server(), owner=SYSTEM.id)


def a_trashed_server(core: Core) -> None:
    a_server(core)
    run(core, servers.DeleteServer(), server=server(), owner=SYSTEM.id)


def an_entry(core: Core) -> None:
    """An entry of the catalog with a system and a data master, as a build leaves it."""
    recipe = recipe_read.read(HELLO)
    masters = build.masters(recipe, HELLO)
    files = [MasterFile(one.role, one.members, one.digest, "0" * 64, 1000, SIZE) for one in masters]
    described = descriptor.describe(recipe, "d" * 64, files)
    row = model.CatalogStack.create(
        name="hello", version="1", title="Hello", digest="d" * 64, descriptor=descriptor.write(described), state="ready"
    )
    for master in masters:
        name = f"hello-{master.role}"
        run(core, images.CreateImage(), name=name, owner=SYSTEM.id, pool=0, size_bytes=SIZE)
        made = image(name)
        run(core, images.MakeMaster(), image=made, owner=SYSTEM.id)
        for member in master.members:
            model.CatalogMaster.create(entry=row, member=member, role=master.role, image=made)


def a_recipe(core: Core) -> None:
    """The folder of a stack whose disk is an image beside the recipe: nothing is needed from elsewhere to build it."""
    folder = Path(core.config.path("recipe"))
    folder.mkdir()
    disks.create(core.local, str(folder / "disk.img"), SIZE)
    digest = hashlib.sha256((folder / "disk.img").read_bytes()).hexdigest()
    (folder / "recipe.toml").write_text(RECIPE.format(sha256=digest))


def a_stack(core: Core) -> None:
    an_entry(core)
    run(core, stacks.InstallStack(), **wanted_stack())


def a_stopped_stack(core: Core) -> None:
    a_stack(core)
    for row in model.Server.select():
        driver = nodes.hypervisor(core, row.node)
        driver.stop(row.id, force=True)
    model.Server.update(power="stopped", desired="stopped", settled="stopped").execute()
    networks.apply_all(core)


def a_trashed_stack(core: Core) -> None:
    a_stack(core)
    run(core, stacks.DeleteStack(), stack=stack(), owner=SYSTEM.id)


def a_shop(core: Core) -> str:
    """A stack of running servers, made in another order than that of their start; the one that is there is the last."""
    stack = model.Stack.create(name="shop", owner=SYSTEM.id, label="shop-1", answers={}, state="ready")
    model.Server.update(stack=stack, name="web", position=2).execute()
    for name, position in (("queue", 1), ("database", 0)):
        made = run(core, servers.CreateServer(), **wanted_server() | {"name": name, "disks": [], "ports": []})
        model.Server.update(stack=stack, position=position).where(model.Server.id == made.target).execute()
    return str(stack.id)


def image(name: str = "disk") -> str:
    return str(model.Image.get(model.Image.name == name).id)


def server() -> str:
    return str(model.Server.get().id)


def stack() -> str:
    return str(model.Stack.get().id)


def file() -> str:
    return str(Path(model.database.obj.database).parent / "incoming" / "file.qcow2")


def recipe() -> str:
    return str(Path(model.database.obj.database).parent / "recipe")


def wanted_server() -> dict[str, Any]:
    disk = {"role": "system", "name": "web", "pool": 0, "size_bytes": 0, "master": image()}
    empty = {"role": "data", "name": "web-data", "pool": 0, "size_bytes": SIZE, "master": ""}
    return {
        **{"name": "web", "owner": SYSTEM.id, "memory_mb": 64, "cpus": 1, "start": True, "boot": "disk"},
        **{"network": "", "ports": [80], "disks": [disk, empty]},
    }


def wanted_stack() -> dict[str, Any]:
    entry = model.CatalogStack.get().id
    return {"entry": entry, "name": "hello", "owner": SYSTEM.id, "answers": {}, "secret": ""}


MINE = {"owner": SYSTEM.id}
