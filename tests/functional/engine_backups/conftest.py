"""An engine with a server, its recovery key, and a second pool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.contracts import PoolSpec
from origo.operations.core import Core
from origo.services import pools
from origo.services.access import SYSTEM
from origo.services.engine import backups
from origo.services.pools.operations import CreatePool
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path / "old", kinds.a_server) as core:
        yield core


@pytest.fixture
def key(core: Core) -> str:
    return str(backups.new_key(core, SYSTEM)["key"])


@pytest.fixture
def cellar(core: Core) -> PoolSpec:
    """A second pool."""
    kinds.run(core, CreatePool(), name="cellar", driver="files", path="", options={})
    return pools.spec(pools.find("cellar"))
