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
