"""This machine keeps the contract Host."""

from pathlib import Path

import pytest

from origo.host import Host, LocalHost
from origo.testing.host_suite import HostClauses


class TestLocalHost(HostClauses):
    @pytest.fixture
    def host(self) -> Host:
        return LocalHost()

    @pytest.fixture
    def scratch(self, tmp_path: Path) -> str:
        folder = tmp_path / "scratch"
        folder.mkdir()
        return str(folder)
