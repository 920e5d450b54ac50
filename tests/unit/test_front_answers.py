"""Whether a stack's page answers is found out by asking it."""

from pytest_httpserver import HTTPServer

from origo.services import front


def page(address: str) -> front.Upstream:
    return front.Upstream("s1", "hello", "u1", "/start", address, "running")


def test_a_page_that_answers_is_reachable(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/start").respond_with_data("hello")
    assert front.answers(page(f"127.0.0.1:{httpserver.port}"))


def test_a_page_that_asks_for_a_log_in_is_reachable(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/start").respond_with_data("who are you?", status=401)
    assert front.answers(page(f"127.0.0.1:{httpserver.port}"))


def test_a_page_that_is_still_starting_is_not(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/start").respond_with_data("in a moment", status=503)
    assert not front.answers(page(f"127.0.0.1:{httpserver.port}"))


def test_a_server_that_is_off_or_says_nothing_is_not() -> None:
    assert not front.answers(page(""))
    assert not front.answers(page("127.0.0.1:1"))
