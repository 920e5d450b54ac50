"""An engine with one running server, and the same engine after a start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.operations.core import Core
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """One running server."""
    with kinds.running(tmp_path, kinds.a_server) as core:
        yield core


@pytest.fixture
def asleep(core: Core) -> Iterator[Core]:
    """The same, before its operations are taken up."""
    with kinds.reopened(core) as again:
        yield again
