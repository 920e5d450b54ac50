"""The fake network keeps the contract as real ones do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from origo.errors import Unavailable
from origo.host import LocalHost
from origo.testing.fake_network import FakeNetwork
from origo.testing.network_suite import Make, NetworkSuite, connection, desired, ids, network


class TestFakeNetwork(NetworkSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: FakeNetwork(LocalHost(), {"world": str(tmp_path), "services": "yes"})

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> Callable[[str], None]:
        def make_one(name: str) -> None:
            (tmp_path / "strangers").mkdir(exist_ok=True)
            (tmp_path / "strangers" / name).touch()

        return make_one


def test_a_file_makes_a_method_fail_until_it_is_removed(tmp_path: Path) -> None:
    driver = FakeNetwork(LocalHost(), {"world": str(tmp_path)})
    state = desired(network(1), connection(1, 5))
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "apply").write_text("cannot apply: no power")
    with pytest.raises(Unavailable, match="cannot apply: no power"):
        driver.apply(state, None)
    assert driver.current() == frozenset()
    (tmp_path / "fail" / "apply").unlink()
    driver.apply(state, None)
    assert driver.current() == ids(state)
    assert driver.services(state) == ()


def test_the_fake_lacks_what_a_test_says(tmp_path: Path) -> None:
    driver = FakeNetwork(LocalHost(), {"world": str(tmp_path)})
    (tmp_path / "lacks").write_text("there is no cable\n")
    assert [one.sentence for one in driver.check()] == ["there is no cable"]
