"""The client of the API over the engine's real socket, and downloads from elsewhere."""

import hashlib
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import belongings
import httpx2
import pytest
from api_world import World
from pytest_httpserver import HTTPServer
from werkzeug import Response

from origo import client
from origo.client import fetching
from origo.client.api import Client
from origo.errors import BadInput, NoRoom, NotFound, Unavailable


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "h")
    made.web.start()
    yield made
    made.web.stop()
    made.close()


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("ORIGO_HOME", str(world.home))
    monkeypatch.delenv("ORIGO_URL", raising=False)
    made = client.connect()
    yield made
    made.close()


def test_the_local_socket_is_for_root_and_the_other_for_nginx(world: World) -> None:
    api, front = (world.home / "run" / name for name in ("api.sock", "front.sock"))
    assert stat.S_IMODE(api.stat().st_mode) == 0o600
    assert stat.S_IMODE(front.stat().st_mode) in (0o600, 0o660)


def test_what_root_asks_is_answered_and_errors_arrive_as_what_they_are(world: World, here: Client) -> None:
    assert here.get("/engine")["host"] == "origo.localhost"
    assert here.post("/users", {"name": "anna"})["name"] == "anna"
    assert here.delete("/users/anna") is None
    with pytest.raises(NotFound, match="cannot find user anna"):
        here.get("/users/anna")
    with pytest.raises(BadInput) as caught:
        here.post("/users", {"nam": "anna"})
    assert caught.value.details["problems"][0]["field"] == "name"


def test_a_list_is_read_to_its_end(world: World, here: Client) -> None:
    for number in range(25):
        world.user(f"user{number}")
    assert len({user["name"] for user in here.items("/users", limit=10)}) == 25


def test_events_arrive_as_they_happen(world: World, here: Client) -> None:
    seen: list[str] = []

    def follow() -> None:
        for event in client.connect().events(after=0):
            seen.append(event["kind"])
            if len(seen) == 2:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    here.post("/users", {"name": "anna"})
    here.patch("/users/anna", {"quota_cpus": 2})
    thread.join(10)
    assert seen == ["user.created", "user.edited"]


def test_an_operation_is_followed_until_it_is_over(world: World, here: Client) -> None:
    belongings.of(world.user("victim"))
    states = list(here.follow({"id": 1}))
    assert [state["status"] for state in states] == ["stuck"]


def test_an_engine_that_does_not_run_is_said_in_a_sentence(tmp_path: Path) -> None:
    gone = client.connect({"ORIGO_URL": f"http://127.0.0.1:{_free_port()}"})
    with pytest.raises(Unavailable, match="cannot reach the engine at http://127.0.0.1.*it does not run"):
        gone.get("/engine")


@pytest.mark.parametrize(
    ("problem", "said", "hint"),
    [
        ("[Errno 13] Permission denied", "only root may use it there", "use sudo"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1)", "is not trusted", "ORIGO_CA"),
        ("[Errno 113] No route to host", "no route to host", "ORIGO_URL"),
        ("timed out", "it does not answer", "origo doctor"),
    ],
)
def test_why_an_engine_is_not_reached_is_said_without_codes(problem: str, said: str, hint: str) -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(problem)

    gone = Client(httpx2.Client(transport=httpx2.MockTransport(fail), base_url="http://o"), "o")
    with pytest.raises(Unavailable, match=f"cannot reach the engine at o: .*{said}") as caught:
        gone.get("/engine")
    assert hint in caught.value.hint and "[" not in caught.value.message


def test_a_request_in_flight_finishes_when_the_web_stops_and_a_stream_ends(world: World, here: Client) -> None:
    stream = here.events()
    ended = threading.Event()

    def follow() -> None:
        list(stream)
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    time.sleep(0.3)
    started = time.monotonic()
    world.web.stop()
    assert ended.wait(5)
    assert time.monotonic() - started < 10
    assert not (world.home / "run" / "api.sock").exists()
    with pytest.raises(Unavailable):
        client.connect().get("/engine")


def test_rubbish_on_the_socket_is_answered_in_the_one_shape(world: World) -> None:
    for rubbish in (b"nonsense\r\n\r\n", b"GET /api/v1/engine HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(world.home / "run" / "api.sock"))
            line.sendall(rubbish)
            answer = line.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400") and b'{"error":{"code":"bad-input"' in answer


def test_a_hundred_idle_threads_take_little_memory(world: World) -> None:
    def resident() -> float:
        text = Path(f"/proc/{os.getpid()}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    before = resident()
    other = World(world.home / "other")
    other.web.start()
    try:
        assert threading.active_count() > 250
        assert resident() - before < 30
    finally:
        other.web.stop()


def test_a_download_is_whole_and_checked(httpserver: HTTPServer, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    httpserver.expect_request("/file").respond_with_data(data)
    httpserver.expect_request("/led").respond_with_response(Response(status=302, headers={"Location": "/file"}))
    file = tmp_path / "got"
    digest = hashlib.sha256(data).hexdigest()
    fetching.download(httpserver.url_for("/led"), str(file), sha256=digest.upper(), room_bytes=1 << 30, private=True)
    assert file.read_bytes() == data
    with pytest.raises(BadInput, match="its SHA-256 is"):
        fetching.download(httpserver.url_for("/file"), str(file), sha256="0" * 64, room_bytes=1 << 30, private=True)
    with pytest.raises(NoRoom):
        fetching.download(httpserver.url_for("/file"), str(file), room_bytes=1 << 20, private=True)
    with pytest.raises(Unavailable, match="404|500"):
        fetching.download(httpserver.url_for("/none"), str(file), room_bytes=1 << 30, private=True)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "file:///etc/passwd", "http://", "x", "http://[::1/x", "http://a:b/x", "http://a\0/"]
)
def test_only_http_is_downloaded(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="it is no http or https address"):
        fetching.download(url, str(tmp_path / "x"), room_bytes=1, private=True)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "10.1.0.2", "[::1]", "169.254.169.254", "0.0.0.0"])
def test_an_ordinary_user_cannot_make_the_engine_fetch_from_its_own_networks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(BadInput, match="private network"):
        fetching.download(f"http://{name}:{_free_port()}/x", str(tmp_path / "x"), room_bytes=1 << 20)


def test_a_redirect_into_a_private_network_is_refused(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    httpserver.expect_request("/led").respond_with_response(
        Response(status=302, headers={"Location": "http://10.0.0.1/x"})
    )
    real = fetching._refuse_private

    def lenient(url: str, addresses: list[str]) -> None:
        if "/led" not in url:
            real(url, addresses)

    monkeypatch.setattr(fetching, "_refuse_private", lenient)
    with pytest.raises(BadInput, match=r"10\.0\.0\.1/x: it is in a private network"):
        fetching.download(httpserver.url_for("/led"), str(tmp_path / "x"), room_bytes=1 << 20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
