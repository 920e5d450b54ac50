"""The front for real: who reaches a stack's page, what a guest gets to see, and what it cannot do."""

import socket
import time
from collections.abc import Iterator

import pytest
from front_world import ENGINE, PORT, Front, ask, guest, host, submit, within
from websockets.exceptions import InvalidStatus
from websockets.sync import client as websocket

from origo import model
from origo.model import Stack, User
from origo.services import front as fronts

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def bert(front: Front) -> User:
    return front.user("bert")


@pytest.fixture(scope="module")
def hello(front: Front, anna: User) -> Iterator[Stack]:
    with guest("10.7.0.2"):
        yield front.stack(anna, "hello", "10.7.0.2")


@pytest.fixture(scope="module")
def cookie(front: Front, anna: User, hello: Stack) -> str:
    return front.inside(anna, hello, front.session(anna))


def test_without_a_session_a_page_is_401_and_a_browser_is_led_to_the_log_in(hello: Stack) -> None:
    assert ask("GET", host(hello)).status == 401
    assert ask("GET", host(hello), cookie="x" * 43).status == 401
    led = ask("GET", host(hello), "/some?thing=1", headers={"Sec-Fetch-Mode": "navigate"})
    assert led.status == 303
    assert led.header("Location") == f"http://{ENGINE}/enter/{hello.label}?path=%2Fsome%3Fthing%3D1"
    login = ask("GET", ENGINE, f"/enter/{hello.label}")
    assert login.status == 303 and login.header("Location").startswith("/login?next=%2Fenter%2F")


def test_the_owner_is_led_in_and_sees_the_page(hello: Stack, cookie: str) -> None:
    answer = ask("GET", host(hello), cookie=cookie)
    assert (answer.status, "A guest" in answer.text) == (200, True)


def test_a_ticket_is_good_once_and_only_for_its_stack(front: Front, anna: User, hello: Stack) -> None:
    other = front.stack(anna, "other", "10.7.0.9")
    ways = [
        ask("GET", ENGINE, f"/enter/{hello.label}", cookie=front.session(anna)).header("Location").partition(ENGINE)[2]
        for _ in range(2)
    ]
    assert ask("GET", host(hello), ways[0]).header("Set-Cookie")
    for to, way in ((hello, ways[0]), (other, ways[1])):
        refused = ask("GET", host(to), way)
        assert not refused.header("Set-Cookie")
        assert refused.header("Location").startswith(f"http://{ENGINE}/enter/{to.label}")


def test_a_ticket_is_too_old_after_a_minute(front: Front, anna: User, hello: Stack) -> None:
    way = ask("GET", ENGINE, f"/enter/{hello.label}", cookie=front.session(anna)).header("Location")
    model.Ticket.update(expires=time.time() - 1).execute()
    assert not ask("GET", host(hello), way.partition(ENGINE)[2]).header("Set-Cookie")


def test_another_users_stack_is_refused(front: Front, bert: User, anna: User, hello: Stack) -> None:
    session = front.session(bert)
    assert ask("GET", ENGINE, f"/enter/{hello.label}", cookie=session).status == 404
    mine = front.stack(bert, "mine", "10.7.0.8")
    cookie = front.inside(bert, mine, session)
    for _ in range(2):
        assert ask("GET", host(mine), cookie=cookie, headers={"Sec-Fetch-Mode": "navigate"}).status == 503
        assert ask("GET", host(hello), cookie=cookie).status == 401, "a session is good for its own origin only"
    Stack.update(owner=anna).where(Stack.id == mine.id).execute()
    assert within(4, lambda: ask("GET", host(mine), cookie=cookie).status == 403)


def test_a_session_of_a_stack_opens_nothing_of_the_engine(cookie: str) -> None:
    assert ask("GET", ENGINE, "/api/v1/engine", cookie=cookie).status == 401
    assert ask("GET", ENGINE, "/", cookie=cookie).header("Location").startswith("/login")


def test_logging_out_of_the_engine_ends_the_sessions_on_stacks(front: Front, anna: User, hello: Stack) -> None:
    session = front.session(anna)
    cookie = front.inside(anna, hello, session)
    assert ask("GET", host(hello), cookie=cookie).status == 200
    assert submit("/logout", session).status == 303
    assert within(4, lambda: ask("GET", host(hello), cookie=cookie).status == 401)


def test_a_guest_gets_no_cookie_of_ours_and_no_header_that_names_anybody(hello: Stack, cookie: str) -> None:
    forged = dict.fromkeys(fronts.DROPPED, "root")
    sent = forged | {"Cookie": "a=1; b=2", "X-Custom": "kept", "Accept-Language": "de"}
    got = {name.lower(): value for name, value in ask("GET", host(hello), "/headers", cookie=cookie, headers=sent).json}
    assert not {name.lower() for name in fronts.DROPPED} & set(got)
    assert not [name for name in got if name.startswith("x-origo")]
    assert got["cookie"].strip("; ") == "a=1; b=2"
    assert (got["x-custom"], got["accept-language"], got["host"]) == ("kept", "de", host(hello))
    assert cookie not in str(got)


@pytest.mark.parametrize(
    "sent",
    [
        "__Host-origo={0}", "a=1; __Host-origo={0}; b=2", "__Host-origo={0}; __Host-origo={0}",
        "a=1;__Host-origo={0}", " __Host-origo={0} ;a=1", "__Host-origo={0};", "x=__Host-origo={0}; __Host-origo={0}",
    ],
)  # fmt: skip
def test_our_cookie_is_cut_out_however_it_is_written(hello: Stack, cookie: str, sent: str) -> None:
    answer = ask("GET", host(hello), "/headers", headers={"Cookie": sent.format(cookie)})
    if answer.status == 200:
        assert cookie not in answer.text
    else:
        assert answer.status == 401


def test_nobody_reaches_what_only_nginx_may_ask(hello: Stack, cookie: str) -> None:
    for to in (ENGINE, host(hello)):
        for path in ("/internal/auth", "/.origo/auth", "/.origo/answer", "//internal/auth", "/x/../internal/auth"):
            forged = {"X-Origo-Label": hello.label, "X-Origo-Session": cookie}
            answer = ask("GET", to, path, cookie=cookie, headers=forged)
            assert not answer.header("X-Origo-Upstream")
            assert answer.status >= 400 or "A guest" in answer.text, (to, path, answer.text)


def test_a_client_cannot_say_that_it_is_nginx(hello: Stack, cookie: str) -> None:
    for door in ("local", "auth", "stack"):
        forged = {"X-Origo-Door": door, "X-Origo-Label": hello.label, "X-Origo-Session": cookie}
        assert ask("GET", ENGINE, "/api/v1/engine", headers=forged).status == 401
        assert ask("GET", ENGINE, "/internal/auth", headers=forged).status == 404


def test_what_a_guest_answers_cannot_steer_nginx_or_other_origins(front: Front, anna: User) -> None:
    evil = (
        ("Set-Cookie", "a=1; Domain=origo.localhost; Path=/"), ("Set-Cookie", "b=2; Domain =origo.localhost"),
        ("Set-Cookie", "c=3; path=/; DOMAIN=.origo.localhost; domain=localhost"), ("Set-Cookie", "d=4; HttpOnly"),
        ("Set-Cookie", "__Host-origo=evil; Secure; Path=/"), ("Clear-Site-Data", '"*"'), ("X-Frame-Options", "DENY"),
        ("X-Accel-Redirect", "/.origo/auth"), ("Alt-Svc", 'h2=":1"'),
    )  # fmt: skip
    stack = front.stack(anna, "evil", "10.7.0.3")
    cookie = front.inside(anna, stack, front.session(anna))
    with guest("10.7.0.3", extra=evil):
        answer = ask("GET", host(stack), cookie=cookie)
    assert "A guest" in answer.text
    cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert len(cookies) == 5 and not [value for value in cookies if "localhost" in value]
    ours = next(value for value in cookies if value.startswith("__Host-origo"))
    assert "secure" not in ours.lower().split("; ")[1:], "a browser takes this name with Secure only"
    assert (
        not answer.header("Clear-Site-Data") and not answer.header("X-Frame-Options") and not answer.header("Alt-Svc")
    )
    assert answer.header("Content-Security-Policy") == f"frame-ancestors 'self' http://{ENGINE}"


def test_another_stacks_page_reaches_nothing_here_with_the_users_cookie(hello: Stack, cookie: str) -> None:
    sibling = f"http://evil-x1y2.{ENGINE}"

    def status(method: str = "GET", **headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(
            method, host(hello), "/headers", "" if method == "POST" else None, cookie=cookie, headers=given
        ).status

    assert status(Origin=f"http://{host(hello)}", Sec_Fetch_Site="same-origin") == 200
    assert status("POST", Origin=f"http://{host(hello)}") == 200
    assert status(Sec_Fetch_Site="same-site", Sec_Fetch_Mode="navigate") == 200
    assert status(Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors") == 403
    assert status("POST", Origin=sibling) == 403
    assert status("POST", Origin="null") == 403
    with pytest.raises(InvalidStatus):
        websocket.connect(
            f"ws://{host(hello)}/ws", origin=sibling, additional_headers={"Cookie": f"__Host-origo={cookie}"},
            sock=_connected(),
        )  # fmt: skip


def test_redirects_keep_the_scheme_that_the_browser_used(hello: Stack, cookie: str) -> None:
    assert ask("GET", host(hello), "/away", cookie=cookie).header("Location") == f"http://{host(hello)}/there"


def test_a_large_upload_reaches_the_guest_while_it_is_sent_and_is_kept_nowhere(front: Front, anna: User) -> None:
    stack = front.stack(anna, "store", "10.7.0.7")
    mine = front.inside(anna, stack, front.session(anna))
    size, half = 40 << 20, 20 << 20
    with guest("10.7.0.7") as store:

        def parts() -> Iterator[bytes]:
            yield b"x" * half
            assert within(10, lambda: store.received > half - (4 << 20))
            yield b"x" * half

        answer = ask("POST", host(stack), "/up", parts(), cookie=mine, headers={"Content-Length": str(size)})
    assert answer.text == str(size)
    kept = [
        path for name in ("body", "proxy") for path in (front.home / "run/nginx" / name).rglob("*") if path.is_file()
    ]
    assert kept == []


def test_a_stack_that_is_not_up_yet_has_a_page_that_looks_again_and_then_shows_it(front: Front, anna: User) -> None:
    stack = front.stack(anna, "late", "10.7.0.4")
    cookie = front.inside(anna, stack, front.session(anna))
    browser = {"Sec-Fetch-Mode": "navigate"}
    waiting = ask("GET", host(stack), cookie=cookie, headers=browser)
    assert waiting.status == 503 and "late is starting" in waiting.text
    assert '<meta http-equiv="refresh" content="2">' in waiting.text
    program = ask("GET", host(stack), cookie=cookie)
    assert program.json["error"]["code"] == "unavailable" and program.header("Retry-After")
    with guest("10.7.0.4"):
        assert ask("GET", host(stack), cookie=cookie, headers=browser).status == 200
    model.Server.update(power="stopped").where(model.Server.stack == stack).execute()
    assert within(4, lambda: "late is stopped" in ask("GET", host(stack), cookie=cookie, headers=browser).text)


def test_names_that_are_nobodys_are_told_so(hello: Stack, cookie: str) -> None:
    assert ask("GET", "example.org").status == 421
    assert ask("GET", "127.0.0.1").status == 421
    assert ask("GET", f"unknown.{ENGINE}", cookie=cookie).status == 401
    Stack.update(state="trashed").where(Stack.id == hello.id).execute()
    try:
        assert within(4, lambda: ask("GET", host(hello), cookie=cookie).status == 404)
    finally:
        Stack.update(state="ready").where(Stack.id == hello.id).execute()
    assert within(4, lambda: ask("GET", host(hello), cookie=cookie).status == 200)


def _connected() -> socket.socket:
    return socket.create_connection(("127.0.0.1", PORT))
