"""What lists promise: every row once, in order, whatever is added meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from origo import model
from origo.errors import BadInput, Conflict, NotFound
from origo.model import Network, Stack, User, migrations
from origo.services import listing
from origo.services.access import Actor


@pytest.fixture
def users(tmp_path: Path) -> Iterator[list[User]]:
    model.connect(str(tmp_path / "origo.db"))
    migrations.migrate()
    yield [User.create(name=f"user{number}", created=float(number // 3)) for number in range(20)]
    model.database.close()


def pages(limit: int, q: str = "") -> list[str]:
    seen: list[str] = []
    cursor = ""
    while True:
        answer = listing.page(
            User.select(), User, listing.Page(limit, cursor, q), lambda user: {"id": user.id, "name": user.name}
        )
        assert len(answer["items"]) <= limit
        seen += [item["name"] for item in answer["items"]]
        cursor = answer["next"]
        if not cursor:
            return seen


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(min_value=1, max_value=30))
def test_pages_together_hold_every_row_once_newest_first(users: list[User], limit: int) -> None:
    newest = sorted(users, key=lambda user: (user.created, user.id), reverse=True)
    assert pages(limit) == [user.name for user in newest]


def test_a_search_finds_by_a_part_of_the_name(users: list[User]) -> None:
    assert sorted(pages(2, "user1")) == sorted(user.name for user in users if "user1" in user.name)


@pytest.mark.parametrize("cursor", ["x", "####", "YWJj", "é"])
def test_a_cursor_that_is_not_ours_is_refused(users: list[User], cursor: str) -> None:
    with pytest.raises(BadInput, match="cannot read the cursor"):
        listing.page(User.select(), User, listing.Page(10, cursor), lambda user: {})


def network(owner: User, number: int, name: str) -> Network:
    return Network.create(
        owner=owner, number=number, name=name, driver="d", bridge=f"b{number}", subnet=f"s{number}", gateway="g"
    )


def test_what_is_another_users_is_not_found_even_by_its_id(users: list[User]) -> None:
    theirs = network(users[0], 1, "lan")
    with pytest.raises(NotFound, match="cannot find network"):
        listing.find(Network, "network", theirs.id, Actor(id=users[1].id, role="user"))


def test_a_name_means_the_actors_own_thing_before_another_users(users: list[User]) -> None:
    network(users[0], 1, "lan")
    mine = network(users[1], 2, "lan")
    assert listing.find(Network, "network", "lan", Actor(id=users[1].id, role="admin")) == mine


def test_names_in_the_trash_are_found_only_there(users: list[User]) -> None:
    label = {"owner": users[0], "name": "web"}
    old = Stack.create(label="a", state="trashed", **label)
    new = Stack.create(label="b", state="ready", **label)
    actor = Actor(id=users[0].id, role="user")
    assert listing.find(Stack, "stack", "web", actor) == new
    assert listing.find(Stack, "stack", "web", actor, trashed=True) == old


def test_an_administrator_is_asked_for_the_id_when_a_name_is_not_enough(users: list[User]) -> None:
    network(users[0], 1, "lan")
    mine = network(users[1], 2, "lan")
    with pytest.raises(Conflict, match="several have that name"):
        listing.find(Network, "network", "lan", Actor(id="admin", role="admin"))
    assert listing.find(Network, "network", "lan", Actor(id=users[1].id, role="user")) == mine
