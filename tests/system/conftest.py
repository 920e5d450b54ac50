"""What these tests share: a world that each module leaves as it found it, and one front for each, with a user of it."""

import subprocess
from collections.abc import Iterator

import pytest
from front_world import Front, front_world

from origo.model import User
from tests import backends

WORLD = (
    ("ip", "route", "show", "default"),
    ("ip", "netns", "list"),
    ("nft", "list", "tables", "inet"),
)
"""What the modules after this one stand on, as these commands show it; addresses of the loopback disturb nobody."""


@pytest.fixture(scope="module", autouse=True)
def left_as_found() -> Iterator[None]:
    if not backends.in_private():
        yield
        return
    found = _world()
    yield
    assert _world() == found


def _world() -> list[str]:
    return [subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout for argv in WORLD]


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with front_world() as made:
        yield made


@pytest.fixture(scope="module")
def anna(front: Front) -> User:
    return front.user("anna")
