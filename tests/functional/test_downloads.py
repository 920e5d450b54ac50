"""Whoever is asked for a file may be hostile: a name that moves, a server that drips, a file without end."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from origo import model
from origo.client import fetching
from origo.errors import Cancelled, Unavailable
from origo.host import Job, job
from origo.operations.core import Core
from origo.services.images import operations
from tests.functional import kinds


@pytest.fixture
def dripping() -> Iterator[str]:
    """The URL of a server that sends a byte now and then, for half a minute at most."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            line, _ = listener.accept()
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            for _ in range(1500):
                if over.wait(0.02):
                    break
                line.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    over.set()
    listener.close()
    thread.join()


def test_a_server_that_drips_is_left(dripping: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WINDOW_SECONDS", 0.3)
    with pytest.raises(Unavailable, match=r"it comes too slowly, \d+ bytes in 0 s"):
        fetching.download(dripping, str(tmp_path / "x"), room_bytes=1 << 20, private=True)


def test_a_download_that_drips_is_cancelled_at_once(dripping: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    work = Job("download", cancelled=lambda: time.monotonic() - begun > 0.3)
    with job(work), pytest.raises(Cancelled):
        fetching.download(dripping, str(tmp_path / "x"), room_bytes=1 << 20, private=True)
    assert time.monotonic() - begun < 5


def test_who_was_looked_at_is_who_is_asked_whatever_the_name_means_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(fetching, "_refuse_private", lambda url, addresses: None)
    monkeypatch.setattr(fetching, "_addresses", lambda name: ["127.0.0.3", "127.0.0.2"])
    with HTTPServer(host="127.0.0.2") as server:
        server.expect_request("/x").respond_with_handler(lambda request: Response(request.host))
        fetching.download(f"http://localhost:{server.port}/x", str(tmp_path / "x"), room_bytes=1 << 20)
        assert (tmp_path / "x").read_text() == f"localhost:{server.port}"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


def import_(core: Core, url: str, owner: str, name: str = "disk") -> int:
    args = {"name": name, "pool": 0, "file": "", "url": url, "sha256": "", "owner": owner}
    return int(core.operations.submit(operations.ImportImage(), args, by="system").id)


def test_whole_disks_are_copied_for_one_owner_one_after_the_other(tmp_path: Path) -> None:
    core = kinds.open_core(tmp_path)
    kinds.furnish(core)
    anna, bert = (model.User.create(name=name).id for name in ("anna", "bert"))
    locks = []
    for owner in (anna, anna, bert):
        image = model.Image.create(name="disk", owner=owner, pool=0, state="ready")
        row = core.operations.submit(operations.MakeMaster(), {"image": image.id, "owner": owner}, by=owner)
        locks.append({name for name, _ in row.locks if not name.startswith("image/")})
    assert locks == [{f"copies/{anna}"}, {f"copies/{anna}"}, {f"copies/{bert}"}]
    model.database.close()


def test_one_users_imports_follow_one_another_and_nobody_elses_wait(core: Core, httpserver: HTTPServer) -> None:
    go = threading.Event()

    def slow(request: Request) -> Response:
        go.wait(10)
        return Response(status=404)

    httpserver.expect_request("/slow").respond_with_handler(slow)
    httpserver.expect_request("/x").respond_with_data(b"nonsense")
    anna, bert = (model.User.create(name=name).id for name in ("anna", "bert"))
    first = import_(core, httpserver.url_for("/slow"), anna)
    second = import_(core, httpserver.url_for("/slow"), anna, "other")
    assert core.operations.blockers(second) == [first]
    # The server answers one at a time, so what does not wait in the engine is seen by its blockers alone.
    assert core.operations.blockers(import_(core, httpserver.url_for("/x"), bert)) == []
    go.set()
    assert core.operations.wait(second, 20).status == "undone"
