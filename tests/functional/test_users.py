"""Users, passwords, links, tokens and sessions, through the API."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import belongings
import pytest
from api_world import World

from origo import model, secrets
from origo.errors import Forbidden, NotLoggedIn, TooMany
from origo.services import sessions
from origo.services.sessions import entering
from origo.services.throttle import FREE, Throttle
from origo.services.users import passwords
from origo.web.streams import WELCOME_SECONDS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    yield made
    made.close()


def make(world: World, name: str, **more: Any) -> dict[str, Any]:
    answer = world.root("POST", "/api/v1/users", {"name": name} | more)
    assert answer.status == 200, answer.body
    made: dict[str, Any] = answer.json
    return made


def ticket_in(url: str) -> str:
    return url.partition("ticket=")[2]


@pytest.mark.parametrize("name", ["anna", "a", "anna.b-c_d", "anna@example.org", "0", "x" * 64])
def test_these_are_names_of_users(world: World, name: str) -> None:
    assert make(world, name)["name"] == name
    assert world.root("GET", f"/api/v1/users/{name}").json["name"] == name


@pytest.mark.parametrize(
    "name", ["", "Anna", "-x", ".x", "../x", "a b", "a\nb", "x" * 65, "ä", "a/b", "me", "system", "a\x00b"]
)
def test_these_are_not_and_the_sentence_says_why(world: World, name: str) -> None:
    answer = world.root("POST", "/api/v1/users", {"name": name})
    assert answer.status == 400
    assert answer.error["message"].startswith("cannot use name: ")


def test_two_users_never_have_one_name(world: World) -> None:
    make(world, "anna")
    make(world, "bert")
    assert world.root("POST", "/api/v1/users", {"name": "anna"}).error["code"] == "conflict"
    assert world.root("PATCH", "/api/v1/users/bert", {"name": "anna"}).error["code"] == "conflict"


def test_quotas_and_roles_are_changed_and_what_is_left_out_stays(world: World) -> None:
    make(world, "boss", role="admin")
    make(world, "anna", quota_cpus=4, quota_memory_mb=1024)
    changed = world.root("PATCH", "/api/v1/users/anna", {"quota_cpus": None, "role": "admin"}).json
    assert (changed["quota_cpus"], changed["quota_memory_mb"], changed["role"]) == (None, 1024, "admin")
    assert world.root("PATCH", "/api/v1/users/anna", {"quota_cpus": -1}).status == 400


def test_a_user_who_owns_things_is_not_deleted_and_the_sentence_names_them(world: World) -> None:
    victim = world.user("victim")
    belongings.of(victim)
    error = world.root("DELETE", "/api/v1/users/victim").error
    assert error["code"] == "conflict"
    for noun in ("stack", "server", "image", "network"):
        assert f"{noun} {belongings.NAME}" in error["message"]
    make(world, "bert")
    assert world.root("DELETE", "/api/v1/users/bert").status == 204
    assert world.root("GET", "/api/v1/users/bert").status == 404


def test_there_is_always_an_administrator_left(world: World) -> None:
    make(world, "boss", role="admin")
    for answer in (
        world.root("DELETE", "/api/v1/users/boss"),
        world.root("PATCH", "/api/v1/users/boss", {"role": "user"}),
        world.root("PATCH", "/api/v1/users/boss", {"enabled": False}),
    ):
        assert (answer.status, answer.error["code"]) == (409, "conflict")
    make(world, "other", role="admin")
    assert world.root("DELETE", "/api/v1/users/boss").status == 204


def test_the_engines_own_user_is_no_user_to_change(world: World) -> None:
    assert "system" not in [user["name"] for user in world.root("GET", "/api/v1/users").json["items"]]
    for method, path, body in (
        ("DELETE", "", None), ("PATCH", "", {"enabled": True}), ("POST", "/link", None),
        ("POST", "/tokens", {"name": "x"}), ("PUT", "/password", {"password": "correct horse battery"}),
    ):  # fmt: skip
        assert world.root(method, f"/api/v1/users/system{path}", body).status == 403


def test_the_set_up_link_makes_the_first_administrator_once(world: World) -> None:
    first = ticket_in(world.root("POST", "/api/v1/users/setup-link").json["url"])
    second = ticket_in(world.root("POST", "/api/v1/users/setup-link").json["url"])
    with pytest.raises(Forbidden):
        passwords.set_up(world.core, first, "boss", "correct horse battery")
    boss = passwords.set_up(world.core, second, "boss", "correct horse battery")
    assert boss.role == "admin"
    with pytest.raises(Forbidden, match="cannot use this link"):
        passwords.set_up(world.core, second, "boss2", "correct horse battery")
    assert world.root("POST", "/api/v1/users/setup-link").error["code"] == "conflict"


def test_an_administrator_who_forgot_the_password_gets_a_link_at_the_machine(world: World) -> None:
    boss = world.user("boss", "admin", "the old password")
    key = sessions.begin(world.core, boss)
    answer = world.root("POST", "/api/v1/users/reset-admin", {}).json
    assert answer["name"] == "boss"
    passwords.set_up(world.core, ticket_in(answer["url"]), "", "the new password")
    assert sessions.of_cookie(key, "origo.localhost").id == "", "a new password ends all sessions"
    sessions.log_in(world.core, Throttle(), "boss", "the new password", "")


def test_a_link_ends_when_a_password_is_set_otherwise(world: World) -> None:
    ticket = ticket_in(make(world, "anna")["setup"])
    world.root("PUT", "/api/v1/users/anna/password", {"password": "correct horse battery"})
    assert passwords.ticket_for(ticket) == (False, "")


def test_a_link_is_too_old_after_a_day(world: World) -> None:
    ticket = ticket_in(make(world, "anna")["setup"])
    model.Ticket.update(expires=time.time() - 1).execute()
    with pytest.raises(Forbidden):
        passwords.set_up(world.core, ticket, "", "correct horse battery")


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaaaaa", "anna@example"])
def test_a_password_that_is_easily_guessed_is_refused_and_not_repeated(world: World, password: str) -> None:
    answer = world.root("POST", "/api/v1/users", {"name": "anna@example", "password": password})
    assert answer.status == 400
    assert password not in answer.text


def test_users_change_their_own_password_only_with_the_present_one(world: World) -> None:
    token = world.token(world.user("anna", password="the old password"))
    new = {"password": "the new password"}
    assert world.ask("PUT", "/api/v1/users/me/password", new, token=token).status == 400
    right = new | {"current": "the old password"}
    assert world.ask("PUT", "/api/v1/users/me/password", right, token=token).status == 204
    sessions.log_in(world.core, Throttle(), "anna", "the new password", "")


def test_who_sits_at_a_log_in_of_another_cannot_guess_the_password_by_changing_it(world: World) -> None:
    token = world.token(world.user("anna", password="the old password"))
    body = {"password": "correct horse battery", "current": "wrong"}
    answers = [world.ask("PUT", "/api/v1/users/me/password", body, token=token) for _ in range(FREE + 2)]
    assert [answer.status for answer in answers] == [400] * (FREE + 1) + [429]
    assert answers[-1].error["message"] == "cannot set the password: too many failed attempts"


def test_a_token_is_shown_once_and_works_until_it_ends(world: World) -> None:
    world.user("anna")
    made = world.root("POST", "/api/v1/users/anna/tokens", {"name": "backup", "days": 1}).json
    assert made["secret"].startswith("origo_")
    listed = world.root("GET", "/api/v1/users/anna/tokens")
    assert made["secret"] not in listed.text and "secret" not in listed.json["items"][0]
    assert made["secret"] not in str(list(model.Token.select().dicts()))
    assert world.ask("GET", "/api/v1/users/me", token=made["secret"]).json["name"] == "anna"
    model.Token.update(expires=time.time() - 1).execute()
    assert world.ask("GET", "/api/v1/users/me", token=made["secret"]).status == 401
    model.Token.update(expires=None).execute()
    model.User.update(enabled=False).where(model.User.name == "anna").execute()
    assert world.ask("GET", "/api/v1/users/me", token=made["secret"]).status == 401


def test_a_deleted_token_ends_at_once(world: World) -> None:
    token = world.token(world.user("anna"))
    assert world.ask("DELETE", "/api/v1/users/me/tokens/test", token=token).status == 204
    assert world.ask("GET", "/api/v1/users/me", token=token).status == 401


def test_a_token_is_ended_only_where_it_is_clear_which_one(world: World) -> None:
    anna = world.user("anna")
    tokens = [world.token(anna) for _ in range(2)]
    answer = world.ask("DELETE", "/api/v1/users/me/tokens/test", token=tokens[0])
    assert (answer.status, answer.error["hint"]) == (409, "use its id")
    id = model.Token.get(secret=secrets.digest(tokens[1])).id
    assert world.ask("DELETE", f"/api/v1/users/me/tokens/{id}", token=tokens[0]).status == 204
    assert model.Token.get().secret == secrets.digest(tokens[0])


def test_an_id_is_never_taken_for_a_name_that_somebody_has(world: World) -> None:
    before, anna, after = (make(world, name) for name in ("bert", "anna", "carl"))
    for other in (before, after):
        world.root("PATCH", f"/api/v1/users/{other['id']}", {"name": anna["id"]})
        assert world.root("GET", f"/api/v1/users/{anna['id']}").json["name"] == "anna"
        assert world.root("DELETE", f"/api/v1/users/{other['id']}").status == 204


def test_users_see_and_end_their_sessions(world: World) -> None:
    anna = world.user("anna")
    token = world.token(anna)
    one, other = (sessions.begin(world.core, anna) for _ in range(2))
    listed = world.ask("GET", "/api/v1/users/me/sessions", token=token).json["items"]
    assert {item["id"] for item in listed} == {secrets.digest(key)[:16] for key in (one, other)}
    assert world.ask("DELETE", f"/api/v1/users/me/sessions/{secrets.digest(one)[:16]}", token=token).status == 204
    assert sessions.of_cookie(one, "origo.localhost").id == ""
    assert sessions.of_cookie(other, "origo.localhost").id == anna.id
    assert world.ask("DELETE", "/api/v1/users/me/sessions/" + "%" * 16, token=token).status == 404


def test_a_disabled_user_is_out_at_once(world: World) -> None:
    anna = world.user("anna", password="correct horse battery")
    key = sessions.begin(world.core, anna)
    world.root("PATCH", "/api/v1/users/anna", {"enabled": False})
    assert sessions.of_cookie(key, "origo.localhost").id == ""
    with pytest.raises(NotLoggedIn):
        sessions.log_in(world.core, Throttle(), "anna", "correct horse battery", "")


def test_a_session_lasts_as_long_as_it_is_used_but_not_for_ever(world: World) -> None:
    key = sessions.begin(world.core, world.user("anna"))

    def expires() -> float:
        found: float = model.Session.get().expires
        return found

    def age(expires_in: float, created: float) -> None:
        model.Session.update(expires=time.time() + expires_in, created=time.time() - created).execute()

    age(expires_in=2 * 86400, created=5 * 86400)
    assert sessions.of_cookie(key, "origo.localhost").id
    assert expires() > time.time() + 6 * 86400
    age(expires_in=3600, created=30 * 86400 - 7200)
    sessions.of_cookie(key, "origo.localhost")
    assert expires() < time.time() + 2 * 7200
    age(expires_in=-1, created=86400)
    assert sessions.of_cookie(key, "origo.localhost").id == ""


def test_a_session_that_began_while_the_clock_was_years_ahead_ends_like_any_other(world: World) -> None:
    key = sessions.begin(world.core, world.user("anna"))
    ahead = time.time() + 10 * 365 * 86400
    model.Session.update(created=ahead, expires=ahead + sessions.SESSION_SECONDS).execute()
    assert sessions.of_cookie(key, "origo.localhost").id
    assert model.Session.get().expires <= time.time() + sessions.SESSION_SECONDS
    assert model.Session.get().created <= time.time()


def test_only_the_owner_gets_a_ticket_and_a_ticket_dies_with_its_log_in(world: World) -> None:
    victim = world.user("victim")
    belongings.of(victim)
    key = sessions.begin(world.core, victim)
    actor = sessions.of_cookie(key, "origo.localhost")
    ticket = entering.ticket(world.core, actor, "victims-a1b2", key)
    sessions.log_out(key)
    with pytest.raises(Forbidden):
        entering.enter(world.core, ticket, "victims-a1b2")


def test_log_in_tells_not_whether_the_name_or_the_password_was_wrong(world: World) -> None:
    world.user("anna", password="correct horse battery")
    said = set()
    for name, password in (("anna", "wrong"), ("nobody", "wrong"), ("system", ""), ("anna", "")):
        with pytest.raises(NotLoggedIn) as caught:
            sessions.log_in(world.core, Throttle(), name, password, "1.2.3.4")
        said.add((caught.value.message, caught.value.hint))
    assert len(said) == 1


def test_guessing_is_slowed_down_for_that_name_from_that_address_alone(world: World) -> None:
    world.user("anna", password="correct horse battery")
    throttle = Throttle()
    for _ in range(FREE + 1):
        with pytest.raises(NotLoggedIn):
            sessions.log_in(world.core, throttle, "anna", "wrong", "1.2.3.4")
    with pytest.raises(TooMany) as caught:
        sessions.log_in(world.core, throttle, "anna", "correct horse battery", "1.2.3.4")
    assert caught.value.details["retry_after"] >= 1
    sessions.log_in(world.core, throttle, "anna", "correct horse battery", "5.6.7.8")
    with pytest.raises(NotLoggedIn):
        sessions.log_in(world.core, throttle, "bert", "wrong", "1.2.3.4")


def test_the_addresses_of_one_ipv6_network_are_one(world: World) -> None:
    throttle = Throttle()
    for number in range(FREE + 1):
        with pytest.raises(NotLoggedIn):
            sessions.log_in(world.core, throttle, "anna", "wrong", f"2001:db8::{number}")
    with pytest.raises(TooMany):
        sessions.log_in(world.core, throttle, "anna", "wrong", "2001:db8::ffff:1")
    with pytest.raises(NotLoggedIn):
        sessions.log_in(world.core, throttle, "anna", "wrong", "2001:db8:1::1")


def test_a_flood_of_log_ins_is_turned_away_at_once_and_others_still_get_in(world: World) -> None:
    world.user("anna", password="correct horse battery")
    throttle = Throttle()
    took, said = [], []

    def guess(number: int) -> None:
        started = time.monotonic()
        try:
            sessions.log_in(world.core, throttle, f"name{number}", "wrong", "6.6.6.6")
        except (NotLoggedIn, TooMany) as error:
            said.append(error.code)
        finally:
            took.append(time.monotonic() - started)
            model.database.close()

    flood = [threading.Thread(target=guess, args=(number,)) for number in range(60)]
    for thread in flood:
        thread.start()
    sessions.log_in(world.core, throttle, "anna", "correct horse battery", "1.2.3.4")
    for thread in flood:
        thread.join()
    assert said.count("too-many") > 30 and len(said) == 60
    assert sorted(took)[30] < 1, "half of them were turned away without holding a thread"


def test_no_secret_is_ever_in_an_event(world: World) -> None:
    made = make(world, "anna", password="correct horse battery")
    token = world.root("POST", "/api/v1/users/anna/tokens", {"name": "x"}).json["secret"]
    key = sessions.begin(world.core, model.User.get_by_id(made["id"]))
    events = str(list(model.EventRow.select().dicts()))
    assert events.count("anna") >= 2
    for secret in ("correct horse", token, key, "$argon2"):
        assert secret not in events


LEAVING: dict[str, Callable[[World, str], object]] = {
    "logged out": lambda world, key: sessions.log_out(key),
    "its session ended": lambda world, key: world.root(
        "DELETE", f"/api/v1/users/anna/sessions/{secrets.digest(key)[:16]}"
    ),
    "its session too old": lambda world, key: model.Session.update(expires=1.0).execute(),
    "its token deleted": lambda world, key: world.root("DELETE", "/api/v1/users/anna/tokens/test"),
    "disabled": lambda world, key: world.root("PATCH", "/api/v1/users/anna", {"enabled": False}),
    "no administrator any more": lambda world, key: world.root("PATCH", "/api/v1/users/anna", {"role": "user"}),
    "deleted": lambda world, key: world.root("DELETE", "/api/v1/users/anna"),
}


@pytest.mark.parametrize("how", LEAVING)
def test_a_stream_of_events_ends_when_its_reader_is(how: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WELCOME_SECONDS <= 3
    monkeypatch.setattr("origo.web.streams.WELCOME_SECONDS", 0.1)
    monkeypatch.setattr("origo.services.events.LOOK_SECONDS", 0.05)
    world.user("other", "admin")
    anna = world.user("anna", "admin")
    key = sessions.begin(world.core, anna)
    way = {"token": world.token(anna)} if "token" in how else {"cookie": key}
    answer = world.ask("GET", "/api/v1/events?after=-1", stream=True, **way)
    parts: list[bytes] = []
    reader = threading.Thread(target=lambda: parts.extend(answer.rest), daemon=True)
    reader.start()
    time.sleep(0.5)
    assert reader.is_alive(), "it lasts as long as its reader is who it was"
    LEAVING[how](world, key)
    reader.join(3)
    assert not reader.is_alive()
    assert len(world.web.app.places.streams) == 1  # closed by the server, once
    answer.rest.close()
    assert len(world.web.app.places.streams) == 0
