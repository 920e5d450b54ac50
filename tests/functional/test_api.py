"""What the web promises of requests and answers, whatever the noun."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import belongings
import pytest
import schemathesis
from api_world import ORIGIN, World
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance

from origo import api, model
from origo.api.route import Kind, Model, Page, Route
from origo.errors import Conflict
from origo.model import database
from origo.services import sessions
from origo.supervise import Supervisor
from origo.web import EACH_REQUESTS


class Given(Model):
    """A body."""

    name: str
    count: int = 0


class After(Model):
    """A query."""

    after: int = 0


class Tried(Page):
    """A query with a switch."""

    trash: bool = False


def echo(core: Any, actor: Any, body: Given) -> dict[str, Any]:
    return {"name": body.name, "count": body.count}


def listed(core: Any, actor: Any, query: Tried) -> dict[str, Any]:
    return {"items": [query.limit, query.trash, query.q], "next": ""}


def breaks(core: Any, actor: Any) -> None:
    raise RuntimeError("the password is hunter2")


def conflicts(core: Any, actor: Any, id: str) -> None:
    raise Conflict(f"cannot touch {id}", hint="leave it", details={"id": id})


GO = threading.Event()


def slow(core: Any, actor: Any) -> dict[str, Any]:
    GO.wait(20)
    return {}


def quiet(core: Any, actor: Any, query: After) -> Iterator[dict[str, Any] | None]:
    for number in range(query.after + 1, query.after + 3):
        yield {"id": number, "kind": "thing.happened"}
    while True:
        time.sleep(0.01)
        yield None


ROUTES = [
    *api.ALL,
    Route("POST", "/tests", echo, "Echo", Kind.ACT, body=Given),
    Route("GET", "/tests", listed, "List", query=Tried),
    Route("GET", "/tests/breaks", breaks, "Break"),
    Route("GET", "/tests/{id}/conflicts", conflicts, "Conflict"),
    Route("GET", "/tests/slow", slow, "Take long"),
    Route("GET", "/tests/stream", quiet, "Stream", Kind.STREAM, query=After),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home", ROUTES)
    yield made
    made.close()


@pytest.fixture
def token(world: World) -> str:
    return world.token(world.user("anna", "admin"))


def refused(world: World, token: str, body: Any, **more: Any) -> dict[str, Any]:
    answer = world.ask("POST", "/api/v1/tests", body, token=token, **more)
    assert answer.status == 400, answer.body
    return answer.error


def test_a_right_request_is_answered_in_json_that_nobody_keeps(world: World, token: str) -> None:
    answer = world.ask("POST", "/api/v1/tests", {"name": "a", "count": 2}, token=token)
    assert answer.json == {"name": "a", "count": 2}
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in answer.header("Content-Security-Policy")


def test_each_wrong_field_is_named_and_its_value_is_never_repeated(world: World, token: str) -> None:
    error = refused(world, token, {"name": 5, "count": "hunter2", "mane": 1})
    assert error["message"].startswith("cannot use name: ")
    assert [problem["field"] for problem in error["details"]["problems"]] == ["name", "count", "mane"]
    assert "hunter2" not in json.dumps(error)
    assert refused(world, token, {"name": "x", "cuont": 1})["hint"] == "did you mean count?"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("servers", {}, "cannot use name: it is required"),
        ("servers", {"name": "a", "memory_mb": 1}, "cannot use memory_mb: it must be greater than or equal to 16"),
        ("servers", {"name": "a", "ports": [1] * 101}, "cannot use ports: it must have at most 100 items, not 101"),
        (
            "servers",
            {"name": "a b"},
            "cannot use name: it must be 1 to 63 letters, digits, dots, dashes or underscores",
        ),
        (
            "images/import",
            {"name": "a", "sha256": "x"},
            "cannot use sha256: it must be 64 digits or letters from a to f",
        ),
        ("images/import", {"name": "a", "url": "ftp://x"}, "cannot use url: it must be an http or https address"),
        ("pools", {"name": "a", "path": "x\n"}, "cannot use path: it must be a path from / on, without spaces"),
        ("catalog", {"folder": "x"}, "cannot use folder: it must be a path from / on"),
        ("users/me/tokens", {"name": "\x1b"}, "cannot use name: it must be of characters that can be printed"),
    ],
)
def test_how_a_text_must_be_written_is_told_in_words(world: World, token: str, path: str, body: Any, said: str) -> None:
    answer = world.ask("POST", f"/api/v1/{path}", body, token=token)
    assert answer.status == 400
    assert answer.error["message"].startswith(said) and "^" not in answer.text


def test_what_only_administrators_may_is_said_in_words(world: World) -> None:
    answer = world.ask("GET", "/api/v1/nodes", token=world.token(world.user("berta")))
    assert answer.error["message"] == "cannot list nodes: only an administrator may"


@pytest.mark.parametrize("body", [[], "name=x", 7, b"{", b"", b'{"name": NaN}', b"\xff", b"[" * 200_000])
def test_what_is_no_right_json_is_refused_with_a_sentence(world: World, token: str, body: Any) -> None:
    assert refused(world, token, body)["code"] == "bad-input"


def test_ten_megabytes_are_refused_before_they_are_read(world: World, token: str) -> None:
    started = time.monotonic()
    answer = world.ask("POST", "/api/v1/tests", b'{"name":"' + b"x" * 10_000_000 + b'"}', token=token)
    assert (answer.status, answer.error["code"]) == (413, "too-large")
    assert time.monotonic() - started < 1


def test_masses_of_unknown_fields_cost_no_time(world: World, token: str) -> None:
    body = json.dumps({f"field{number}": 1 for number in range(50_000)}).encode()
    started = time.monotonic()
    assert "50000 fields" in refused(world, token, body)["message"]
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=0",
        "limit=501",
        "trash=perhaps",
        "limit=1&limit=2",
        "nonsense=1",
        "plan=true",
        "q=" + "x" * 101,
    ],
)
def test_a_wrong_query_is_refused_with_a_sentence(world: World, token: str, query: str) -> None:
    answer = world.ask("GET", f"/api/v1/tests?{query}", token=token)
    assert answer.status == 400
    assert query.partition("=")[0] in answer.error["message"]


def test_a_query_is_read_as_its_model_says(world: World, token: str) -> None:
    assert world.ask("GET", "/api/v1/tests?limit=7&trash=true&q=a%20b", token=token).json["items"] == [7, True, "a b"]


def test_every_error_has_the_one_shape(world: World, token: str) -> None:
    conflict = world.ask("GET", "/api/v1/tests/5/conflicts", token=token)
    assert conflict.status == 409
    assert conflict.error == {
        "code": "conflict",
        "message": "cannot touch 5",
        "hint": "leave it",
        "details": {"id": "5"},
    }
    assert world.ask("GET", "/api/v1/nothing", token=token).error["code"] == "not-found"
    assert world.ask("GET", "/api/v2", token=token, application=world.web.local).error["code"] == "not-found"
    assert world.ask("GET", "/api/v1/tests/" + "x" * 300 + "/conflicts", token=token).error["code"] == "bad-input"
    wrong = world.ask("PUT", "/api/v1/tests", {}, token=token)
    assert (wrong.status, wrong.error["code"]) == (405, "wrong-method")
    assert "POST" in wrong.header("Allow")
    assert world.ask("GET", "/api/v1/engine", b"{}", token=token).error["code"] == "bad-input"


def test_a_number_that_no_column_holds_is_bad_input(world: World, token: str) -> None:
    answer = world.ask("GET", "/api/v1/events/list?after=9999999999999999999999", token=token)
    assert answer.status == 400 and "too large" in answer.error["message"]


@pytest.mark.parametrize("number", ["²", "٣", "9" * 30, "-1", "0x1"])
def test_what_is_no_number_of_a_row_is_nothing_that_is_there(world: World, token: str, number: str) -> None:
    sent = number.encode().decode("latin-1")
    key = sessions.begin(world.core, model.User.get(name="anna"))
    for noun in ("pools", "operations"):
        assert world.ask("GET", f"/api/v1/{noun}/{sent}", token=token).status == 404
    assert world.ask("GET", f"/operations/{sent}", cookie=key).status == 404


@pytest.mark.parametrize("after", [10**30, 10**6])
def test_a_stream_after_an_event_that_is_not_there_yet_goes_on_with_the_next(
    world: World, token: str, after: int
) -> None:
    answer = world.ask("GET", "/api/v1/events", token=token, headers={"Last-Event-ID": str(after)}, stream=True)
    events = iter(answer.rest)
    next(events)
    threading.Timer(0.2, world.root, ("POST", "/api/v1/users", {"name": "carl"})).start()
    assert b"user.created" in next(events)
    answer.rest.close()


def test_the_doctor_tells_of_a_driver_that_is_missing_instead_of_failing(world: World, token: str) -> None:
    belongings.of(world.user("victim"))
    world.core.supervisor = Supervisor(str(world.home / "services"), lambda name, sentence: None)
    checks = {check["about"]: check for check in world.ask("GET", "/api/v1/engine/doctor", token=token).json["items"]}
    wrong = checks["hypervisor of node node"]
    assert not wrong["ok"] and "cannot find a hypervisor driver" in wrong["sentence"]
    assert not checks["network"]["ok"]


def test_an_unexpected_error_says_nothing_of_itself_but_a_number(world: World, token: str) -> None:
    answer = world.ask("GET", "/api/v1/tests/breaks", token=token)
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert len(answer.error["details"]["number"]) == 8


def test_an_answer_leaves_no_connection_to_the_database_behind(world: World, token: str) -> None:
    seen: list[bool] = []

    def asks() -> None:
        world.ask("GET", "/api/v1/users", token=token)
        seen.append(database.is_closed())

    thread = threading.Thread(target=asks)
    thread.start()
    thread.join()
    assert seen == [True]


def test_a_session_cookie_counts_only_for_requests_of_our_own_pages(world: World) -> None:
    user = world.user("bert")
    key = sessions.begin(world.core, user)

    def status(method: str, **headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"name": "x"} if method == "POST" else None
        return world.ask(method, "/api/v1/tests", body, cookie=key, headers=given).status

    assert status("GET") == 200
    assert status("POST", Origin=ORIGIN, Sec_Fetch_Site="same-origin") == 200
    assert status("POST") == 403
    assert status("POST", Origin="null") == 403
    assert status("POST", Origin="http://evil.origo.localhost:8080") == 403
    assert status("POST", Origin="http://origo.localhost:9999") == 403
    assert status("POST", Origin="https://origo.localhost:8080") == 403
    assert status("GET", Sec_Fetch_Site="same-site") == 403
    assert status("GET", Sec_Fetch_Site="cross-site") == 403


def test_a_token_needs_no_origin_and_a_wrong_one_is_refused(world: World, token: str) -> None:
    assert world.ask("POST", "/api/v1/tests", {"name": "x"}, token=token).status == 200
    assert world.ask("GET", "/api/v1/tests", token=token + "x").status == 401
    assert world.ask("GET", "/api/v1/tests", headers={"Authorization": "Basic YTpi"}).status == 401


def test_a_stream_goes_on_after_the_last_event_that_was_seen(world: World, token: str) -> None:
    answer = world.ask("GET", "/api/v1/tests/stream", token=token, headers={"Last-Event-ID": "41"}, stream=True)
    assert answer.header("Content-Type") == "text/event-stream"
    events = iter(answer.rest)
    parts = [next(events) for _ in range(3)]
    answer.rest.close()
    assert parts[1] == b'id: 42\nevent: thing.happened\ndata: {"id":42,"kind":"thing.happened"}\n\n'
    assert parts[2].startswith(b"id: 43\n")


def test_a_quiet_stream_gives_signs_of_life_and_ends_when_the_engine_stops(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("origo.web.streams.HEARTBEAT", 0.05)
    answer = world.ask("GET", "/api/v1/tests/stream", token=token, stream=True)
    events = iter(answer.rest)
    parts = [next(events) for _ in range(4)]
    assert parts[3] == b": alive\n\n"
    world.web.app.places.stopping = True
    assert list(events) == []
    answer.rest.close()


def test_streams_beyond_the_limit_are_told_to_come_back_and_an_ended_one_makes_room(world: World) -> None:
    keys = [world.token(world.user(f"user{number}")) for number in range(4)]
    open_ones = []
    for key in keys[:3]:
        for _ in range(16):
            answer = world.ask("GET", "/api/v1/tests/stream", token=key, stream=True)
            assert answer.status == 200
            open_ones.append(answer)
        over = world.ask("GET", "/api/v1/tests/stream", token=key)
        assert (over.status, over.error["code"]) == (429, "too-many")
        assert int(over.header("Retry-After")) > 0
    assert world.ask("GET", "/api/v1/tests/stream", token=keys[3]).status == 429
    open_ones[0].rest.close()
    again = world.ask("GET", "/api/v1/tests/stream", token=keys[3], stream=True)
    assert again.status == 200
    for answer in [*open_ones[1:], again]:
        answer.rest.close()


def test_one_user_never_takes_all_threads_of_the_front(world: World, token: str) -> None:
    GO.clear()
    bert = world.token(world.user("bert"))
    said: list[int] = []

    def ask() -> None:
        said.append(world.ask("GET", "/api/v1/tests/slow", token=bert).status)
        database.close()

    crowd = [threading.Thread(target=ask) for _ in range(EACH_REQUESTS + 3)]
    for thread in crowd:
        thread.start()
    deadline = time.monotonic() + 10
    while len(said) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert said == [429] * 3
    assert world.ask("GET", "/api/v1/users/me", token=token).status == 200
    GO.set()
    for thread in crowd:
        thread.join()
    assert said.count(200) == EACH_REQUESTS
    assert world.ask("GET", "/api/v1/users/me", token=bert).status == 200


def test_the_document_describes_every_route(world: World) -> None:
    document = world.ask("GET", "/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for route in ROUTES:
        found = document["paths"]["/api/v1" + route.path][route.method.lower()]
        assert found["summary"] == route.summary
        assert ("requestBody" in found) == (route.body is not None)
    names = [found["operationId"] for path in document["paths"].values() for found in path.values()]
    assert len(names) == len(set(names))


UNTRIED = {"/api/v1/events", "/api/v1/tests/stream", "/api/v1/tests/breaks", "/api/v1/engine/doctor"}
"""Streams, the address that breaks on purpose, and what asks the machine."""


def test_no_request_that_fits_the_document_breaks_the_engine(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing runs what is submitted here, so there is nothing to wait for.
    monkeypatch.setattr(world.core.operations, "wait", lambda id, seconds: world.core.operations.get(id))
    belongings.of(world.user("victim"))
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", world.web.app)
    quick = settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in UNTRIED:
            continue

        @quick
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            assert response.status_code != 500, response.text
            case.validate_response(response, checks=[content_type_conformance])

        ask()
        tried += 1
    assert tried > 50
