"""The front as it runs: websockets, streams, cost, its own errors, and nginx itself."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_world import ENGINE, PORT, TLS_PORT, Front, ask, guest, have_address, host, within
from websockets.sync import client as websocket
from websockets.sync.server import ServerConnection, serve

from origo import client, model, secrets
from origo.errors import NotLoggedIn, Unavailable
from origo.model import Stack, User
from origo.services import front as fronts

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def hello(front: Front, anna: User) -> Iterator[Stack]:
    with guest("10.7.0.2"):
        yield front.stack(anna, "hello", "10.7.0.2")


def test_errors_of_nginx_have_the_one_shape_for_the_api(front: Front) -> None:
    large = ask("POST", ENGINE, "/api/v1/users", b"x" * (2 << 20))
    assert (large.status, large.json["error"]["code"]) == (413, "too-large")
    path = front.home / "run/front.sock"
    path.rename(path.with_suffix(".away"))
    try:
        away = ask("GET", ENGINE, "/api/v1/engine")
        assert (away.status, away.json["error"]["code"]) == (503, "unavailable")
        page = ask("GET", ENGINE)
        assert page.status == 503 and "The engine does not answer" in page.text
    finally:
        path.with_suffix(".away").rename(path)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def test_a_websocket_lives_while_stacks_come_and_go_and_nginx_is_never_reloaded(
    front: Front, anna: User, hello: Stack
) -> None:
    have_address("10.7.0.5")
    chat = front.stack(anna, "chat", "10.7.0.5")
    session = front.session(anna)
    cookie = front.inside(anna, chat, session)
    workers = front.workers()
    with serve(echo, "10.7.0.5", 80) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        headers = {"Cookie": f"__Host-origo={cookie}"}
        origin = f"http://{host(chat)}"
        with websocket.connect(
            f"ws://{host(chat)}/", additional_headers=headers, origin=origin, sock=_connected()
        ) as line:
            for number in range(5):
                line.send(f"before {number}")
                assert line.recv(5) == f"before {number}"
                with guest("10.7.0.6"):
                    new = front.stack(anna, f"new{number}", "10.7.0.6")
                    front.core.supervisor.ensure(fronts.service(front.core))
                    assert ask("GET", host(new), cookie=front.inside(anna, new, session)).status == 200
                model.Connection.delete().where(model.Connection.address == "10.7.0.6").execute()
                model.Server.delete().where(model.Server.stack == new).execute()
                new.delete_instance()
                line.send(f"after {number}")
                assert line.recv(5) == f"after {number}"
        trust = ssl.create_default_context(cafile=str(front.core.secrets.front("localhost").authority))
        secure = {"Cookie": f"__Host-origo={cookie}"}
        with websocket.connect(
            f"wss://{host(chat).replace(str(PORT), str(TLS_PORT))}/", additional_headers=secure, ssl=trust,
            sock=socket.create_connection(("127.0.0.1", TLS_PORT)),
        ) as line:  # fmt: skip
            line.send("by TLS")
            assert line.recv(5) == "by TLS"
        server.shutdown()
    assert front.workers() == workers


def test_asking_who_may_pass_costs_little_and_is_remembered_for_two_seconds_at_most(
    front: Front, anna: User, hello: Stack
) -> None:
    cookie = front.inside(anna, hello, front.session(anna))

    def median(to: str, address: str, port: int, count: int, pause: float = 0.0) -> float:
        times = []
        connection = http.client.HTTPConnection(address, port)
        for _ in range(count):
            started = time.perf_counter()
            connection.request("GET", "/", headers={"Host": to, "Cookie": f"__Host-origo={cookie}"})
            connection.getresponse().read()
            times.append(time.perf_counter() - started)
            time.sleep(pause)
        return statistics.median(times) * 1000

    bare = median(host(hello), "10.7.0.2", 80, 200)
    remembered = median(host(hello), "127.0.0.1", PORT, 200)
    asked = median(host(hello), "127.0.0.1", PORT, 4, pause=2.1)
    print(f"bare {bare:.2f} ms, through the front {remembered:.2f} ms, with the question {asked:.2f} ms")
    assert remembered - bare < 10
    assert asked - bare < 50
    model.Session.delete().execute()
    assert within(2.5, lambda: ask("GET", host(hello), cookie=cookie).status == 401)


def test_events_arrive_through_the_front_as_they_happen(front: Front, anna: User) -> None:
    model.Token.create(user=anna, name="events", secret=secrets.digest("origo_events"))
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    headers = {"Host": ENGINE, "Authorization": "Bearer origo_events"}
    connection.request("GET", f"/api/v1/events?after={front.core.events.newest()}", headers=headers)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    for number in range(3):
        sent = time.monotonic()
        front.core.events.emit("thing.happened", "users", anna.id, owner=anna.id, number=number)
        while b"thing.happened" not in (line := response.readline()):
            assert line
        assert time.monotonic() - sent < 1.5
        response.readline()
    connection.close()


def test_other_addresses_are_listened_on_as_soon_as_the_setting_names_them(front: Front) -> None:
    have_address("192.0.2.20")
    before = front.core.config
    front.core.config = before.changed({"listen": "127.0.0.1 0.0.0.0"})
    front.core.supervisor.ensure(fronts.service(front.core))
    for port in (PORT, TLS_PORT):
        socket.create_connection(("192.0.2.20", port), timeout=5).close()
    assert ask("GET", ENGINE, "/login").status == 200
    front.core.config = before
    front.core.supervisor.ensure(fronts.service(front.core))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("192.0.2.20", PORT), timeout=5)


def test_streams_never_starve_requests(front: Front) -> None:
    assert within(4, lambda: len(front.web.app.places.streams) == 0)
    lines = []
    for number in range(4):
        user = front.user(f"reader{number}")
        model.Token.create(user=user, name="events", secret=secrets.digest(f"origo_{number}"))
        for _ in range(17):
            line = socket.create_connection(("127.0.0.1", PORT))
            request = f"GET /api/v1/events HTTP/1.1\r\nHost: {ENGINE}\r\nAuthorization: Bearer origo_{number}\r\n\r\n"
            line.sendall(request.encode())
            lines.append(line)
    answers = [line.recv(200).split(b" ")[1] for line in lines]
    assert answers.count(b"200") == 48 and answers.count(b"429") == 20
    started = time.monotonic()
    assert all(ask("GET", ENGINE, "/login").status == 200 for _ in range(20))
    assert time.monotonic() - started < 2
    for line in lines:
        line.close()
    assert within(4, lambda: len(front.web.app.places.streams) == 0), "who goes away gives the place back"


def test_the_command_line_reaches_the_engine_by_https_with_a_token_and_our_authority(front: Front, anna: User) -> None:
    model.Token.create(user=anna, name="cli", secret=secrets.digest("origo_key"))
    environment = {
        "ORIGO_URL": f"https://origo.localhost:{TLS_PORT}",
        "ORIGO_TOKEN": "origo_key",
        "ORIGO_CA": str(front.core.secrets.front("localhost").authority),
    }
    assert client.connect(environment).get("/users/me")["name"] == "anna"
    with pytest.raises(Unavailable, match="certificate"):
        client.connect(environment | {"ORIGO_CA": ""}).get("/users/me")
    with pytest.raises(NotLoggedIn):
        client.connect(environment | {"ORIGO_TOKEN": "origo_other"}).get("/users/me")


def test_nginx_that_is_killed_comes_back_by_itself_and_is_reported(front: Front) -> None:
    before, workers = front.core.supervisor.states()["nginx"].pid, front.workers()
    os.kill(before, signal.SIGKILL)
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def works() -> bool:
        try:
            return ask("GET", ENGINE, "/login").status == 200
        except OSError:
            return False

    assert within(15, lambda: front.core.supervisor.states()["nginx"].pid not in (0, before))
    assert within(10, works)
    assert any("nginx" in text for text in front.trouble)


def test_nginx_s_workers_have_no_rights_of_root(front: Front) -> None:
    def of(worker: int) -> dict[str, list[str]]:
        lines = Path(f"/proc/{worker}/status").read_text().splitlines()
        return {line.partition(":")[0]: line.split()[1:] for line in lines}

    assert within(5, lambda: all(of(worker)["Uid"][1] != "0" for worker in front.workers()))
    for found in map(of, front.workers()):
        assert "0" not in found["Uid"] and int(found["CapEff"][0], 16) == 0
        groups = ["--groups", ",".join(found["Groups"])] if found["Groups"] else ["--clear-groups"]
        worker = ["setpriv", "--reuid", found["Uid"][1], "--regid", found["Gid"][1], *groups, "--"]
        for folder, entered in (("run", True), ("keys", False)):
            ended = subprocess.run([*worker, "test", "-x", str(front.home / folder)], check=False)
            assert (ended.returncode == 0) is entered, folder


def _connected() -> socket.socket:
    return socket.create_connection(("127.0.0.1", PORT))
