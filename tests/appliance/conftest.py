"""Room for machines: for one test, and for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.appliance.room import Room


@pytest.fixture
def room() -> Iterator[Room]:
    with Room() as made:
        yield made


@pytest.fixture(scope="module")
def module_room() -> Iterator[Room]:
    with Room() as made:
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cuts", type=int, default=3, help="how many power cuts the test of them makes")
