"""Every kind of operation, in a world where it can be asked for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from origo import config, model
from origo.client import ordering
from origo.operations.base import Operation
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.secrets import Secrets
from origo.services.access import SYSTEM
from origo.services.catalog import operations as catalog
from origo.services.engine import backups, certifying, zone
from origo.services.engine import operations as engine_operations
from origo.services.engine.copying import BackUpEngine, RestoreEngine
from origo.services.images import operations as images
from origo.services.networks import operations as network_operations
from origo.services.pools import exporting
from origo.services.pools import operations as pool_operations
from origo.services.servers import operations as servers
from origo.services.servers import rebuilding
from origo.services.stacks import operations as stacks
from origo.testing.proof import Scenario
from tests.functional import fake_acme, kinds

BURNT = frozenset({"label"})
"""A label that was chosen once is never given to another, even if nothing came of it."""
LOOSE = {
    "engine.backup": frozenset({"pools/0/engine/*"}),
    "engine.order-certificate": frozenset({"keys/certificate.pem", "keys/acme-account.key"}),
    "engine.restore": frozenset({"pools/0/engine/*", "recovery.key", "restore/*"}),
    "images.flatten": frozenset({"pools/0/images/*"}),
    "stacks.install": frozenset({"pools/0/images/*-seed.iso"}),
}
"""What may differ in its content: what is sealed; a child that holds more than it must; a medium with its time."""


def case(kind: type[Operation], *wanted: Callable[[Core], object], title: str = "", **args: Any) -> Scenario:
    """A scenario that submits one operation; an argument that can be called is asked for its value in that world,
    and `all` for all of them."""

    def submit(folder: Path, engine: Engine, plan: bool) -> Any:
        given = {name: value() if callable(value) else value for name, value in args.items()}
        given |= given.pop("all", {})
        return engine.submit(kind(), given, by=SYSTEM.id, plan=plan)

    title = f"{kind.kind}{title and ': '}{title}"
    return Scenario(
        title,
        kinds.before(*wanted),
        lambda folder: kinds.open_core(folder).operations,
        submit,
        ignore=BURNT,
        loose=LOOSE.get(kind.kind, frozenset()),
    )


def administrator() -> dict[str, str]:
    keys = Path(model.database.obj.database).parent / "keys"
    return {"name": "anna", "password": Secrets(keys).seal("a hash")}


def a_recovery_key(core: Core) -> None:
    (core.config.home / "recovery.key").write_text(backups.new_key(core, SYSTEM)["key"])


def a_backup(core: Core) -> None:
    a_recovery_key(core)
    kinds.run(core, BackUpEngine(), pool=0, begun=NOON)


def a_lost_pool(core: Core) -> None:
    """What an engine that nobody has set up finds: the pool of another one."""
    a_backup(core)
    model.Pool.delete().execute()


def lost_pool() -> dict[str, Any]:
    path = Path(model.database.obj.database).parent / "pools" / "0"
    return {"id": 0, "driver": "files", "path": str(path), "options": {}, "take": True}


def sealed_key() -> str:
    folder = Path(model.database.obj.database).parent
    return Secrets(folder / "keys").seal((folder / "recovery.key").read_text())


def a_certificate(core: Core) -> None:
    """One that was given, and a file with another one that may be."""
    (core.config.home / config.FILE).write_text('domain = "lab.example"\nlisten = "192.0.2.10"\n')
    for path in (core.secrets.given_path, core.config.home / "another.pem"):
        path.write_bytes(b"".join(fake_acme.pair(["origo.lab.example", "*.origo.lab.example"])))
        path.chmod(0o600)


def another() -> str:
    folder = Path(model.database.obj.database).parent
    return Secrets(folder / "keys").seal((folder / "another.pem").read_text())


def open_with_acme(folder: Path) -> Engine:
    setattr(ordering, "Directory", fake_acme.FakeDirectory)  # noqa: B010
    return kinds.open_core(folder).operations


def open_with_a_zone(folder: Path) -> Engine:
    link = folder / "localtime"
    setattr(zone, "LINK", str(link))  # noqa: B010
    if not link.is_symlink():
        link.symlink_to(f"{zone.ZONES}{zone.DEFAULT}")
    return kinds.open_core(folder).operations


def is_shown(folder: Path, status: str) -> None:
    """One that was not done left the certificate that was there before."""
    before, now = (folder / "before.pem").read_bytes(), (folder / "keys" / "certificate.pem").read_bytes()
    assert (now == before) == (status != "done")


def a_known_certificate(core: Core) -> None:
    a_certificate(core)
    (core.config.home / "before.pem").write_bytes(core.secrets.given_path.read_bytes())


def an_export(core: Core) -> None:
    kinds.run(core, exporting.ExportPool(), pool=0, to=["192.0.2.7"])


NOON = 1.8e9
SERVED = {"directory": "https://acme.example/dir", "authority": "", "email": "", "agreed": True, "external": None}
ACME = SERVED | {"way": {"by": "http"}}
ENGINE = {
    **{"name": "lab", "domain": "lab.example", "storage": {"driver": "files", "options": {}}},
    **{"time_zone": "Europe/Vienna", "outer_interface": ""},
}
IMAGE = {"image": kinds.image, **kinds.MINE}
SERVER = {"server": kinds.server, **kinds.MINE}
STACK = {"stack": kinds.stack, **kinds.MINE}

SCENARIOS: tuple[Scenario, ...] = (
    replace(
        case(engine_operations.SetUp, kinds.without_a_pool, administrator=administrator, **ENGINE),
        open=open_with_a_zone,
    ),
    case(certifying.SetCertificate, a_certificate, certificate=another),
    replace(case(certifying.OrderCertificate, a_known_certificate, **ACME), open=open_with_acme, check=is_shown),
    case(certifying.RemoveCertificate, a_certificate),
    case(BackUpEngine, a_recovery_key, pool=0, begun=NOON),
    case(RestoreEngine, a_backup, pool=0, name="", lost=None, key=sealed_key),
    case(RestoreEngine, a_lost_pool, title="lost", pool=0, name="", lost=lost_pool, key=sealed_key),
    case(pool_operations.CreatePool, name="second", driver="files", path="", options={}),
    case(exporting.ExportPool, pool=0, to=["192.0.2.7", "192.0.2.8"]),
    case(exporting.ExportPool, an_export, title="none", pool=0, to=[]),
    case(network_operations.CreateNetwork, name="lan", nat=True, **kinds.MINE),
    case(network_operations.DeleteNetwork, network=lambda: str(model.Network.get().id), **kinds.MINE),
    case(images.CreateImage, name="disk", pool=0, size_bytes=kinds.SIZE, **kinds.MINE),
    case(images.CloneImage, kinds.a_master, master=kinds.image, name="child", size_bytes=None, **kinds.MINE),
    case(images.MakeMaster, kinds.an_image, **IMAGE),
    case(images.FlattenImage, kinds.a_child, image=lambda: kinds.image("child"), **kinds.MINE),
    case(images.GrowImage, kinds.an_image, size_bytes=2 * kinds.SIZE, **IMAGE),
    case(images.DeleteImage, kinds.an_image, **IMAGE),
    case(images.UndeleteImage, kinds.a_trashed_image, **IMAGE),
    case(images.PurgeImage, kinds.a_trashed_image, **IMAGE),
    case(images.ImportImage, kinds.a_file, name="disk", pool=0, file=kinds.file, url="", sha256="", **kinds.MINE),
    case(servers.CreateServer, kinds.a_master, all=kinds.wanted_server),
    case(servers.StartServer, kinds.a_stopped_server, **SERVER),
    case(servers.ShutdownServer, kinds.a_server, **SERVER),
    case(servers.PowerOffServer, kinds.a_server, **SERVER),
    case(servers.SuspendServer, kinds.a_server, **SERVER),
    case(servers.ResumeServer, kinds.a_suspended_server, **SERVER),
    case(servers.ResetServer, kinds.a_server, **SERVER),
    case(servers.EditServer, kinds.a_stopped_server, changes={"name": "other", "memory_mb": 96}, **SERVER),
    case(rebuilding.RebuildServer, kinds.a_stopped_server, **SERVER),
    case(servers.DeleteServer, kinds.a_server, **SERVER),
    case(servers.UndeleteServer, kinds.a_trashed_server, **SERVER),
    case(servers.PurgeServer, kinds.a_trashed_server, **SERVER),
    case(stacks.InstallStack, kinds.an_entry, all=kinds.wanted_stack),
    case(stacks.StartStack, kinds.a_stopped_stack, **STACK),
    case(stacks.StopStack, kinds.a_stack, **STACK),
    case(stacks.DeleteStack, kinds.a_stack, **STACK),
    case(stacks.UndeleteStack, kinds.a_trashed_stack, **STACK),
    case(stacks.PurgeStack, kinds.a_trashed_stack, **STACK),
    case(catalog.BuildStack, kinds.a_recipe, folder=kinds.recipe, fresh=False),
    case(catalog.DeleteEntry, kinds.an_entry, entry=lambda: str(model.CatalogStack.get().id)),
)
