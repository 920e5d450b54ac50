"""The hypervisor for tests keeps the same promises as a real one."""

import uuid
from pathlib import Path

import pytest

from origo.contracts import DiskSpec
from origo.errors import Unavailable
from origo.host.local import LocalHost
from origo.testing.consoles_suite import ConsolesSuite
from origo.testing.fake_hypervisor import FakeHypervisor
from origo.testing.hypervisor_suite import Disk, HypervisorSuite, Make


class FakeFixtures:
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: FakeHypervisor(LocalHost(), {"world": str(tmp_path)})

    @pytest.fixture
    def disk_of(self, tmp_path: Path) -> Disk:
        master = ((str(tmp_path / "master.qcow2"), "qcow2"),)
        return lambda format: DiskSpec(str(tmp_path / f"disk.{format}"), format, master if format == "qcow2" else ())

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> str:
        id = str(uuid.uuid4())
        (tmp_path / "strangers").mkdir()
        (tmp_path / "strangers" / id).touch()
        return id


class TestFakeHypervisor(FakeFixtures, HypervisorSuite):
    """Every clause."""


class TestFakeConsoles(FakeFixtures, ConsolesSuite):
    """Every clause."""

    driver = HypervisorSuite.driver
    disk = HypervisorSuite.disk
    spec = HypervisorSuite.spec


def test_a_failure_that_was_asked_for_is_raised_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "list").write_text("cannot list servers: the moon is full")
    with pytest.raises(Unavailable, match="the moon is full"):
        FakeHypervisor(LocalHost(), {"world": str(tmp_path)}).list()
