"""An order of a certificate whose daemon is killed again and again, amid its work: all is done, or nothing is left."""

import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acme_world import DOMAIN, ENGINE, SERVER, Acme, acme_world

from origo import config, model
from origo.client import ordering, zones
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.secrets import Secrets
from origo.services.access import SYSTEM
from origo.services.engine.certifying import OrderCertificate
from origo.testing import killing
from origo.testing.proof import Scenario, harass
from tests.functional import fake_acme, kinds

pytestmark = [pytest.mark.needs("pebble"), pytest.mark.timeout(300)]

NAMES = [ENGINE, f"*.{ENGINE}"]
MARKED = (
    *((ordering.Directory, name) for name in ("register", "order")),
    *((ordering.Order, name) for name in ("prove", "certificate")),
    *((zones.Zone, name) for name in ("add", "remove")),
)
"""What is asked of others: a daemon may be killed before and after."""


@pytest.fixture(scope="module")
def acme() -> Iterator[Acme]:
    with acme_world() as made:
        yield made


def before(core: Core) -> None:
    (core.config.home / config.FILE).write_text(f'domain = "{DOMAIN}"\n')
    core.secrets.given_path.write_bytes(b"".join(fake_acme.pair(NAMES)))
    (core.config.home / "before.pem").write_bytes(core.secrets.given_path.read_bytes())


def marked(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def with_points(*args: Any, **named: Any) -> Any:
        killing.point(f"before {name}")
        result = method(*args, **named)
        killing.point(f"after {name}")
        return result

    return with_points


def start(folder: Path) -> Engine:
    """In a process of its own, which does not live on."""
    for cls, name in MARKED:
        setattr(cls, name, marked(getattr(cls, name), name))
    return kinds.open_core(folder).operations


def submit(acme: Acme, folder: Path, engine: Engine, plan: bool) -> Any:
    secret = Secrets(folder / "keys").seal(acme.zone().secret)
    way = {
        "by": "dns",
        "server": SERVER,
        "port": 53,
        "key_name": "engine",
        "algorithm": "hmac-sha256",
        "secret": secret,
    }
    args = {"directory": acme.directory, "authority": acme.authority.read_text(), "email": "", "agreed": True}
    return engine.submit(OrderCertificate(), args | {"external": None, "way": way}, by=SYSTEM.id, plan=plan)


def scenario(acme: Acme) -> Scenario:
    return Scenario("order", kinds.before(before), start, functools.partial(submit, acme), seconds=60)


@pytest.mark.parametrize(
    ("kills", "cancel", "ended"),
    [
        ((6, 1, 5, 9, 12), False, "done"),
        ((16, 8, 12, 16, 20), False, "done"),
        ((20, 13, 18, 3), False, "done"),
        ((22, 16, 2), False, "done"),
        ((26, 2, 3), False, "done"),
        ((32, 1, 3), False, "done"),
        ((13, 3, 5), True, "undone"),
        ((18, 2, 4), True, "undone"),
        ((32, 1), True, "undone"),
    ],
)
def test_killed_again_and_again_it_is_all_done_or_nothing_is_left(
    acme: Acme, kills: tuple[int, ...], cancel: bool, ended: str
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="origo-killed-", dir="/run"))
    try:
        status, _ = harass(scenario(acme), folder / "home", kills, cancel=cancel)
        assert status == ended and acme.texts() == []
        model.connect(str(folder / "home" / "origo.db"))
        before, vault = (folder / "home" / "before.pem").read_bytes(), Secrets(folder / "home" / "keys")
        given = vault.given()
        assert given and list(given.names) == NAMES
        assert (vault.given_path.read_bytes() == before) == (ended == "undone")
        assert ("Pebble" in given.issuer, bool(model.EngineRow.get().acme)) == (
            (True, True) if ended == "done" else (False, False)
        )
        assert vault.has_account() == (ended == "done")
    finally:
        model.database.close()
        shutil.rmtree(folder)
