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


def stacks(owner: User, names: list[str]) -> list[Stack]:
    return [Stack.create(owner=owner, name=name, label=f"l{number}") for number, name in enumerate(names)]


def search(q: str) -> list[str]:
    found = listing.page(Stack.select(), Stack, listing.Page(500, q=q), lambda stack: {"name": stack.name})
    return [item["name"] for item in found["items"]]


@pytest.mark.parametrize(
    "q", ["web", "WEB", "eb", "b", "web_", "%", '"', 'b" OR "sho', "shop-1", "op-", "no", "\0", "web\0"]
)
def test_a_search_finds_what_a_look_at_every_name_finds(users: list[User], q: str) -> None:
    names = ["web", "Web2", "my-web", "web_x", "shop-1", "shop-2", "b", "ab", "x%y"]
    stacks(users[0], names)
    assert sorted(search(q)) == sorted(name for name in names if q.lower() in name.lower())


def test_a_search_finds_what_many_and_what_few_names_have(users: list[User]) -> None:
    names = [f"shop-{number:03}" for number in range(3 * listing.FEW)]
    stacks(users[0], names)
    assert search("shop") == names[::-1]
    assert search("shop-29") == names[299:289:-1]


def test_a_search_follows_names_that_change_and_rows_that_go(users: list[User]) -> None:
    mine, other = stacks(users[0], ["web", "web"])
    mine.name = "shop"
    mine.save()
    assert (search("web"), search("shop")) == (["web"], ["shop"])
    model.database.execute_sql("VACUUM")
    other.delete_instance()
    assert (search("web"), search("shop")) == ([], ["shop"])
    assert model.database.execute_sql("SELECT id FROM stack_trigrams").fetchall() == [(mine.id,)]


def test_a_search_for_a_rare_name_reads_no_other_row(users: list[User]) -> None:
    stacks(users[0], ["web", "shop"])
    asked = listing._search(Stack.select().where(Stack.state != "trashed"), Stack, "web")
    sql, values = asked.order_by(Stack.created.desc(), Stack.id.desc()).limit(51).sql()
    plan = [row[3] for row in model.database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plan[0].startswith("SEARCH") and "(id=?)" in plan[0]
