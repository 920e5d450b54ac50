"""An engine with a recovery key and backups in its pools."""

from typing import Any

import pytest
from click.testing import CliRunner, Result

from origo import __main__, home, model
from origo.operations.core import Core
from origo.services import pools
from origo.services.engine import copying
from tests.functional import kinds
from tests.functional.api_world import World


def origo(core: Core, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setenv("ORIGO_HOME", str(core.config.home))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    world = World(core.config.home, core=core)
    world.web.start()
    try:
        return CliRunner().invoke(__main__.cli, words)
    finally:
        world.web.stop()


def back_up(core: Core, begun: float = 1.8e9) -> str:
    row = kinds.run(core, copying.BackUpEngine(), pool=0, begun=begun)
    return str(row.data["name"])


def stored(core: Core) -> list[str]:
    pool = pools.find(0)
    return copying.names(pools.driver(core, pool), pools.spec(pool))


def rows() -> dict[str, Any]:
    return {row.name: (row.id, row.owner_id) for row in (*model.Server.select(), *model.Image.select())}


def restarted(core: Core) -> Core:
    """The daemon ends and starts anew."""
    core.operations.stop()
    model.database.close()
    home.adopt(core.config.home)
    return kinds.open_core(core.config.home)
