"""Systemd is told that the daemon is alive only while its web answers and its operations are handed out."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import World

from origo.web import LOCAL_THREADS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.web.start()
    yield one
    one.web.stop()
    one.close()


def test_an_engine_that_works_is_alive(world: World) -> None:
    assert world.web.alive(5) and world.core.operations.alive(5)


def test_a_web_whose_threads_all_hang_is_not_alive(world: World) -> None:
    hung = threading.Event()
    world.web.local.bottle.route("/hang", "GET", lambda: hung.wait(20) and "")
    askers = [threading.Thread(target=world.web._servers[0].answers, args=("/hang", 20)) for _ in range(LOCAL_THREADS)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    try:
        assert not world.web.alive(0.5)
    finally:
        hung.set()
        for asker in askers:
            asker.join()
    assert world.web.alive(5)


def test_operations_that_nobody_can_hand_out_are_not_alive(world: World) -> None:
    with world.core.operations._guard:
        assert not world.core.operations.alive(0.1)
    with world.core.operations._workers._changed:
        held: list[bool] = []
        asker = threading.Thread(target=lambda: held.append(world.core.operations.alive(0.1)))
        asker.start()
        asker.join()
    assert held == [False] and world.core.operations.alive(5)
