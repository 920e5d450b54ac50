"""What a client is promised that sends a change again because it does not know whether the first one arrived."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo import model
from tests.functional import kinds
from tests.functional.api_world import Answer, World

SECRET = "correct horse battery"  # noqa: S105


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with kinds.running(tmp_path, kinds.an_entry) as core:
        entry = model.CatalogStack.get()
        entry.descriptor["questions"].append({"name": "password", "title": "Password", "type": "password"})
        entry.save()
        yield World(tmp_path, core=core)


def change(world: World, method: str, path: str, body: Any = None, key: str = "once") -> Answer:
    return world.root(method, f"/api/v1{path}?wait=20", body, headers={"Idempotency-Key": key})


def install(world: World, password: str) -> Answer:
    return change(world, "POST", "/stacks", {"stack": "hello", "answers": {"password": password}})


def test_an_install_with_a_secret_answer_is_done_once_however_often_it_is_sent(world: World) -> None:
    first, again = install(world, SECRET), install(world, SECRET)
    assert (first.status, first.json["status"]) == (200, "done"), first.body
    assert (again.status, again.json["id"]) == (200, first.json["id"])
    assert model.Stack.select().count() == 1


def test_another_request_with_that_key_is_refused_even_if_only_its_secret_differs(world: World) -> None:
    install(world, SECRET)
    other = install(world, "another horse battery")
    assert (other.status, other.error["code"]) == (409, "conflict")
    assert change(world, "POST", "/servers", {"name": "s"}).status == 409


def test_the_digest_that_tells_them_apart_is_no_help_in_guessing_the_secret(world: World) -> None:
    install(world, SECRET)
    key = world.core.secrets
    assert len(model.OperationRow.get(key="once").request) == 64
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in world.home.glob("origo.db*"))
    assert key.digest(b"value") != type(key)(world.home / "other-keys").digest(b"value")


def test_what_was_deleted_is_deleted_when_that_is_asked_again(world: World) -> None:
    install(world, SECRET)
    first = change(world, "DELETE", "/stacks/hello", key="delete")
    again = change(world, "DELETE", "/stacks/hello", key="delete")
    assert (first.json["status"], again.status, again.json["id"]) == ("done", 200, first.json["id"])
    assert change(world, "DELETE", "/stacks/hello", key="anew").status == 404
