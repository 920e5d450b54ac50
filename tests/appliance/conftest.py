"""Room for machines: for one test, for all tests of a module; and a machine that is set up already."""

from collections.abc import Iterator

import pytest

from tests.appliance.room import Room
from tests.appliance.site import Site, again, installed


@pytest.fixture
def room() -> Iterator[Room]:
    with Room() as made:
        yield made


@pytest.fixture(scope="module")
def module_room() -> Iterator[Room]:
    with Room() as made:
        yield made


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the stack hello, switched off in order, on whose disks others are built."""
    with Room() as made:
        site = installed(made, tmp_path_factory.mktemp("first"))
        site.set_up()
        site.hello()
        site.machine.shutdown()
        yield site


@pytest.fixture(scope="module")
def site(first: Site, module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site like the first, booted, with its stack's page there and the administrator logged in."""
    made = again(first, module_room, tmp_path_factory.mktemp("site"))
    made.machine.boot()
    made.comes_up()
    made.wait_page()
    made.log_in()
    return made


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cuts", type=int, default=3, help="how many power cuts the test of them makes")
