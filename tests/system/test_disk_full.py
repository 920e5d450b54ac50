"""What is promised when the disk with the engine's own data is full: servers run on, and a person reads what to do."""

import contextlib
import http.client
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from engine_world import EngineWorld, wait_for

from origo import client, reserve

pytestmark = [
    pytest.mark.needs("libvirt"),
    pytest.mark.needs("iptables"),
    pytest.mark.needs("nginx"),
    pytest.mark.timeout(400),
]


HOST = "origo.localhost:8080"
PASSWORD = "correct horse battery"  # noqa: S105


@pytest.fixture
def engine() -> Iterator[EngineWorld]:
    """An engine whose home has a disk of its own."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="full-") as folder:
        world = EngineWorld(Path(folder), listen="127.0.0.1")
        world.home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0711", "tmpfs", world.home], check=True)
        world.start()
        yield world
        (world.home / "filler").unlink(missing_ok=True)
        world.close()
        subprocess.run(["umount", world.home], check=True)


def fill(engine: EngineWorld) -> None:
    """To the last byte."""
    with (engine.home / "filler").open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(os.urandom(4096))


def issues(engine: EngineWorld) -> str:
    return " ".join(one["sentence"] for one in engine.json("issues", "list"))


def test_on_a_full_disk_nothing_is_begun_that_takes_room_and_the_rest_goes_on(engine: EngineWorld) -> None:
    engine.json("images", "create", "old", "1M")
    fill(engine)
    assert [image["name"] for image in engine.json("images", "list")] == ["old"]
    assert "cannot begin images.create: the engine's own disk is full" in engine.refused(
        "images", "create", "more", "16M"
    )
    wait_for(lambda: "is full, and nothing is begun that takes room" in issues(engine), 90, engine.said)
    assert "cannot begin images.create" in engine.refused("images", "create", "more", "16M")
    engine.json("images", "delete", "old")
    (engine.home / "filler").unlink()
    engine.json("images", "create", "more", "16M")
    wait_for(lambda: "is full" not in issues(engine), 90, engine.said)
    assert (engine.home / reserve.FILE).stat().st_size == reserve.SIZE


def log_in(name: str) -> tuple[int, str]:
    """As a browser sends the form of the log-in page; the status, and the cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
    headers = {"Host": HOST, "Origin": f"http://{HOST}", "Content-Type": "application/x-www-form-urlencoded"}
    with contextlib.closing(connection):
        connection.request("POST", "/login", urlencode({"name": name, "password": PASSWORD}), headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Set-Cookie", "")


@pytest.mark.parametrize("first", ["log in", "purge"])
def test_as_soon_as_the_disk_is_full_users_log_in_and_what_is_in_the_trash_is_purged(
    engine: EngineWorld, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGO_HOME", str(engine.home))
    client.connect().post("/users", {"name": "anna", "password": PASSWORD})
    engine.json("images", "create", "old", "1M")
    engine.json("images", "delete", "old")
    fill(engine)
    if first == "log in":
        status, cookie = log_in("anna")
        assert status == 303 and cookie.startswith("__Host-origo="), engine.said()
    engine.json("images", "purge", "old")
    assert [image["name"] for image in engine.json("images", "list", "--trash")] == []
    assert log_in("anna")[0] == 303
    assert "No space left" not in engine.said() and "Traceback" not in engine.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_starts_on_a_full_disk(engine: EngineWorld, number: signal.Signals) -> None:
    engine.json("images", "create", "old", "1M")
    fill(engine)
    engine.end(number)
    engine.start()
    assert [image["name"] for image in engine.json("images", "list")] == ["old"]
    engine.json("images", "delete", "old")
    assert "is full" in issues(engine)
