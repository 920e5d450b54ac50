"""Whether a stack's page answers is found out by asking it."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
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


@contextlib.contextmanager
def guest(*parts: bytes, pause: float) -> Iterator[str]:
    """A guest that says these, the last one again and again, with a pause after each; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            line, _ = listening.accept()
            with contextlib.suppress(OSError), line:
                for part in itertools.chain(parts, itertools.repeat(parts[-1])):
                    line.sendall(part)
                    time.sleep(pause)

        threading.Thread(target=serve, daemon=True).start()
        yield "{}:{}".format(*listening.getsockname())


@pytest.mark.parametrize("parts", [(b"H",), (b"HTTP/1.1 ", b"2"), (b"HTTP/1.1 100 Continue\r\n\r\n",)])
def test_a_guest_that_drips_holds_nobody_up(parts: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "ANSWER_SECONDS", 0.5)
    with guest(*parts, pause=0.2) as address:
        started = time.monotonic()
        front.answers(page(address))
        assert time.monotonic() - started < 1


def test_a_guest_that_pours_is_read_a_little() -> None:
    with guest(b"x" * 512, pause=0) as address:
        started = time.monotonic()
        assert not front.answers(page(address))
        assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("path", ["/caffè", "/two words", "/a?b=c&d=%20", "/a\r\nX-Evil: 1"])
def test_a_page_is_asked_for_by_its_path_whatever_is_in_it(path: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request(path.partition("?")[0]).respond_with_data("hello")
    assert front.answers(replace(page(f"127.0.0.1:{httpserver.port}"), path=path))
    assert "X-Evil" not in httpserver.log[0][0].headers
