"""What the tests of the front share: one front for each module, and a user of it."""

from collections.abc import Iterator

import pytest
from front_world import Front, front_world

from origo.model import User


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with front_world() as made:
        yield made


@pytest.fixture(scope="module")
def anna(front: Front) -> User:
    return front.user("anna")
