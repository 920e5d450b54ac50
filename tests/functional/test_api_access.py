"""Every address of the API, asked by nobody and by the wrong user."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import belongings
import pytest
from api_world import Answer, World

from origo import api, model
from origo.api.route import Kind, Route
from origo.testing import worlds

FOR_ALL = {("GET", "/catalog/{id}"), ("GET", "/pools/{id}")}
"""What belongs to the engine and may be seen by every user."""
ELSEWHERE = {"/servers/{id}/console": ("unsupported",)}
"""What is refused before the server is looked for, since it works at the machine only."""
ADMINISTRATORS_ONLY = {
    "/engine/doctor", "/nodes", "/users", "/users/setup-link", "/users/reset-admin", "/plugins",
    "/engine/setup",
    "/engine/certificate", "/engine/certificate/order", "/engine/certificate/renew",
    "/engine/backups", "/engine/recovery-key", "/engine/restore", "/engine/recover",
}  # fmt: skip
CHANGED_BY_ADMINISTRATORS = {("POST", "/pools"), ("POST", "/catalog")}
"""What every user may see in a list, and only administrators add to."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Shared"]:
    """One world for all the requests that must not change it."""
    made = World(tmp_path_factory.mktemp("shared") / "home")
    ids = belongings.of(made.user("victim"))
    token = made.token(made.user("mallory"))
    yield Shared(made, ids, token, worlds.snapshot(made.home, ignore=["token"]))
    made.close()


@dataclass(frozen=True)
class Shared:
    """A world, the victim's things in it, the token of the wrong user, and how all was."""

    world: World
    ids: dict[str, str]
    token: str
    before: dict[str, str]

    def ask(self, route: Route, token: str = "") -> Answer:
        body = belongings.BODIES[route.body.__name__] if route.body else None
        answer = self.world.ask(route.method, address(route, self.ids), body, token=token)
        after = worlds.snapshot(self.world.home, ignore=["token"])
        assert worlds.difference(self.before, after) == ""
        assert model.OperationRow.select().count() == 1
        return answer


def address(route: Route, ids: dict[str, str]) -> str:
    noun = route.path.split("/")[1]
    path = route.path.replace("{id}", ids.get(noun, ""))
    return "/api/v1" + re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", api.ALL, ids=name)
def test_nobody_gets_nothing(shared: Shared, route: Route) -> None:
    answer = shared.ask(route)
    assert (answer.status, answer.error["code"]) == (401, "not-logged-in")


@pytest.mark.parametrize("route", [route for route in api.ALL if "{" in route.path], ids=name)
def test_the_wrong_user_learns_and_changes_nothing(shared: Shared, route: Route) -> None:
    answer = shared.ask(route, shared.token)
    assert belongings.NAME not in answer.text
    if (route.method, route.path) not in FOR_ALL:
        assert answer.error["code"] in ("forbidden", "not-found", *ELSEWHERE.get(route.path, ())), answer.body


@pytest.mark.parametrize("route", [route for route in api.ALL if "{" not in route.path], ids=name)
def test_a_user_sees_nothing_of_others_in_lists_and_does_nothing_that_is_for_administrators(
    shared: Shared, route: Route
) -> None:
    if route.path in ADMINISTRATORS_ONLY or (route.method, route.path) in CHANGED_BY_ADMINISTRATORS:
        assert shared.ask(route, shared.token).error["code"] == "forbidden"
    elif route.method == "GET" and route.kind is not Kind.STREAM:
        answer = shared.ask(route, shared.token)
        assert answer.status == 200
        assert belongings.NAME not in answer.text
    else:
        assert route.kind is not Kind.READ  # making things of one's own, and the stream: other tests do


def test_a_user_hears_of_own_things_alone_in_the_stream(world: World) -> None:
    victim, mallory = world.user("victim"), world.user("mallory")
    events = world.core.events
    address = f"/api/v1/events?after={events.newest()}"
    answer = world.ask("GET", address, token=world.token(mallory), stream=True)
    for owner, target in ((victim.id, "the-victims"), ("", "the-engines"), (mallory.id, "mallorys")):
        events.emit("server.power", "servers", target, owner=owner)
    told = iter(answer.rest)
    assert next(told).startswith(b"retry:")
    assert b'"target":"mallorys"' in next(told)
    answer.rest.close()


def test_an_administrator_through_the_network_is_not_root_at_the_machine(world: World) -> None:
    token = world.token(world.user("boss", "admin"))
    for path, body in (("/users/setup-link", None), ("/users/reset-admin", {})):
        answer = world.ask("POST", f"/api/v1{path}", body, token=token)
        assert answer.status == 403 and "through the network" in answer.error["message"]
        assert world.root("POST", f"/api/v1{path}", body).status in (200, 404)


def test_a_door_that_a_client_claims_by_a_header_opens_nothing(world: World) -> None:
    token = world.token(world.user("carla"))
    for door in ("local", "auth", "stack", "engine "):
        assert world.ask("GET", "/api/v1/engine", door=door).status == 401
    for door in ("auth", "stack"):
        assert world.ask("GET", "/api/v1/engine", door=door, token=token).status == 401
