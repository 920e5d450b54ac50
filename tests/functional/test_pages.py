"""The plain pages: forms that work, forms that are forged, and what an attacker would try."""

import time
from collections.abc import Iterator
from pathlib import Path

import belongings
import pytest
from api_world import ORIGIN, World, key_in

from origo import model
from origo.services import front, sessions
from tests.functional.watching import queries

PASSWORD = "correct horse battery"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def ids(world: World) -> dict[str, str]:
    return belongings.of(world.user("victim", password=PASSWORD))


@pytest.fixture
def cookie(world: World, ids: dict[str, str]) -> str:
    return sessions.begin(world.core, model.User.get_by_id(ids["users"]))


def test_the_cookie_of_a_log_in_is_for_this_host_and_no_script(world: World, ids: dict[str, str]) -> None:
    answer = world.submit("/login", name="victim", password=PASSWORD, next="/stacks/x")
    assert answer.status == 303
    assert answer.header("Location") == "/entered?next=%2Fstacks%2Fx"
    cookie = answer.header("Set-Cookie")
    assert cookie.startswith("__Host-origo=") and "Domain" not in cookie
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert world.ask("GET", "/", cookie=key_in(answer)).status == 200


def test_a_browser_that_keeps_no_cookie_is_told_so_instead_of_being_led_in_circles(world: World) -> None:
    answer = world.ask("GET", "/entered?next=/")
    assert answer.status == 400 and "kept no cookie" in answer.text


def test_a_wrong_log_in_says_so_and_keeps_the_name_but_not_the_password(world: World, ids: dict[str, str]) -> None:
    answer = world.submit("/login", name="victim<b>", password="hunter2-hunter2")
    assert answer.status == 401 and not answer.header("Set-Cookie")
    assert "name or password is wrong" in answer.text
    assert "victim&lt;b&gt;" in answer.text and "hunter2" not in answer.text


def test_too_many_wrong_log_ins_are_told_to_wait(world: World, ids: dict[str, str]) -> None:
    answers = [world.submit("/login", name="victim", password="wrong-wrong") for _ in range(7)]
    assert [answer.status for answer in answers] == [401] * 6 + [429]
    assert int(answers[-1].header("Retry-After")) >= 1


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "", "x"]
)
def test_a_log_in_never_leads_to_another_origin(world: World, ids: dict[str, str], target: str) -> None:
    answer = world.submit("/login", name="victim", password=PASSWORD, next=target)
    assert answer.header("Location") == "/entered?next=%2F"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.origo.localhost:8080"},
        {"Origin": "https://origo.localhost:8080"},
    ],
    ids=str,
)
def test_a_form_of_another_page_is_refused(
    world: World, ids: dict[str, str], cookie: str, headers: dict[str, str]
) -> None:
    token = world.ask("GET", f"/stacks/{ids['stacks']}", cookie=cookie).text.partition('name="token" value="')[2][:32]
    for page in (f"/stacks/{ids['stacks']}/stop", "/logout", "/login"):
        answer = world.ask("POST", page, f"token={token}", cookie=cookie, headers=headers)
        assert answer.status == 403
    assert world.ask("GET", "/", cookie=cookie).status == 200


def test_a_form_needs_the_token_of_its_own_session(world: World, ids: dict[str, str], cookie: str) -> None:
    assert world.submit(f"/stacks/{ids['stacks']}/stop", cookie, token="").status == 403
    other = sessions.begin(world.core, model.User.get_by_id(ids["users"]))
    stolen = world.ask("GET", "/", cookie=other).text.partition('name="token" value="')[2][:32]
    assert world.submit(f"/stacks/{ids['stacks']}/stop", cookie, token=stolen).status == 403
    assert model.OperationRow.select().count() == 1
    assert world.submit(f"/stacks/{ids['stacks']}/stop", cookie).status == 303
    assert model.OperationRow.select().count() == 2


def test_without_a_log_in_every_page_leads_to_it_and_back(world: World, ids: dict[str, str]) -> None:
    for page in ("/", f"/stacks/{ids['stacks']}", f"/stacks/{ids['stacks']}/delete", f"/install/{ids['catalog']}",
                 f"/operations/{ids['operations']}", "/enter/victims-a1b2"):  # fmt: skip
        answer = world.ask("GET", page)
        assert answer.status == 303
        assert answer.header("Location") == "/login?next=" + page.replace("/", "%2F")
    assert world.submit(f"/stacks/{ids['stacks']}/delete").header("Location") == "/login?next=%2F"


def test_the_wrong_user_sees_and_does_nothing_by_the_pages(world: World, ids: dict[str, str]) -> None:
    mallory = sessions.begin(world.core, world.user("mallory"))
    for page in (f"/stacks/{ids['stacks']}", f"/stacks/{ids['stacks']}/delete", f"/operations/{ids['operations']}",
                 "/enter/victims-a1b2"):  # fmt: skip
        answer = world.ask("GET", page, cookie=mallory)
        assert answer.status == 404 and belongings.NAME not in answer.text
    for page in ("start", "stop", "delete", "undelete"):
        assert world.submit(f"/stacks/{ids['stacks']}/{page}", mallory).status == 404
    for page in ("cancel", "retry", "forget"):
        assert world.submit(f"/operations/{ids['operations']}/{page}", mallory).status == 404
    assert belongings.NAME not in world.ask("GET", "/", cookie=mallory).text
    assert model.OperationRow.select().count() == 1


def test_the_first_page_shows_stacks_work_and_catalog(world: World, ids: dict[str, str], cookie: str) -> None:
    page = world.ask("GET", "/", cookie=cookie)
    assert page.status == 200 and "<script" not in page.text
    for text in (belongings.NAME, "victims-a1b2.origo.localhost", "stack.start", "Hello"):
        assert text in page.text
    assert 'http-equiv="refresh"' not in page.text
    model.OperationRow.update(status="running").execute()
    assert '<meta http-equiv="refresh" content="2">' in world.ask("GET", "/", cookie=cookie).text


def test_a_name_with_markup_stays_text(world: World, ids: dict[str, str], cookie: str) -> None:
    model.Stack.update(name="<img src=x onerror=alert(1)>").execute()
    model.OperationRow.update(note="<script>", error={"message": "<b>", "hint": "<i>", "code": "x"}).execute()
    for page in ("/", f"/stacks/{ids['stacks']}", f"/operations/{ids['operations']}"):
        text = world.ask("GET", page, cookie=cookie).text
        assert "<img" not in text and "<script" not in text and "<b>" not in text


def test_a_page_allows_no_script_and_only_the_stacks_origin_in_its_frame(
    world: World, ids: dict[str, str], cookie: str
) -> None:
    page = world.ask("GET", f"/stacks/{ids['stacks']}", cookie=cookie)
    policy = dict(part.split(" ", 1) for part in page.header("Content-Security-Policy").split("; "))
    assert policy["default-src"] == "'none'" and "script-src" not in policy
    assert policy["frame-src"] == "'self' http://victims-a1b2.origo.localhost:8080"
    assert policy["frame-ancestors"] == "'none'"
    assert page.header("Cache-Control") == "no-store"


def test_entering_a_stack_leads_to_its_own_origin_with_a_ticket(world: World, ids: dict[str, str], cookie: str) -> None:
    led = world.ask("GET", "/enter/victims-a1b2?path=/deep?a=1", cookie=cookie).header("Location")
    assert led.startswith("http://victims-a1b2.origo.localhost:8080/.origo/enter?ticket=")
    path = "/" + led.partition("8080/")[2]
    host = "victims-a1b2.origo.localhost:8080"
    headers = {"X-Origo-Label": "victims-a1b2"}
    entered = world.ask("GET", path, host=host, door="stack", headers=headers)
    assert entered.header("Location") == "/.origo/entered?path=%2Fdeep%3Fa%3D1"
    mine = key_in(entered)
    kept = world.ask("GET", "/.origo/entered?path=%2Fdeep", host=host, door="stack", cookie=mine)
    assert kept.header("Location") == "/deep"
    verdict = world.ask("GET", "/internal/auth", host=host, door="auth", headers=headers | {"X-Origo-Session": mine})
    assert (verdict.status, verdict.header("X-Origo-Upstream")) == (200, "10.7.0.2:80")
    assert int(verdict.header("X-Accel-Expires")) <= 2


def test_asking_who_may_pass_takes_one_look_at_most_for_each_question(
    world: World, ids: dict[str, str], cookie: str
) -> None:
    model.Stack.insert_many(
        [
            {"id": f"s{n}", "created": 1.0, "name": f"n{n}", "owner": ids["users"], "label": f"l{n}", "state": "ready"}
            for n in range(500)
        ]
    ).execute()
    found: list[str] = []
    seen = queries(lambda: found.append(front.upstream("victims-a1b2").address))
    assert found == ["10.7.0.2:80"]
    assert len(seen) == 1
    plan = str(model.database.execute_sql("EXPLAIN QUERY PLAN " + seen[0], ("victims-a1b2", "trashed")).fetchall())
    assert "SCAN" not in plan, plan


def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(world: World) -> None:
    assert "<h1>" in world.ask("GET", "/nothing/here").text
    assert world.ask("GET", "/api/v1/nothing").error["code"] == "not-found"


def test_the_authoritys_certificate_can_be_fetched_by_everybody(world: World) -> None:
    answer = world.ask("GET", "/authority.crt")
    assert answer.status == 200 and answer.text.startswith("-----BEGIN CERTIFICATE")


def test_a_form_that_is_too_large_is_refused_quickly(world: World, cookie: str) -> None:
    started = time.monotonic()
    answer = world.ask("POST", "/logout", "token=" + "x" * 1_000_000, cookie=cookie, headers={"Origin": ORIGIN})
    assert answer.status == 413 and time.monotonic() - started < 1
