"""The forwarder: what a browser sends to loopback reaches the socket behind it, unchanged, both ways."""

import contextlib
import gc
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.trial.forwarder import Door, Forwarder
from origo.errors import Conflict


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[socket.socket, Path]]:
    path = tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(5)
        yield listener, path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def forwarded(target: Path) -> Iterator[int]:
    port = free_port()
    with contextlib.closing(Forwarder([Door("127.0.0.1", port, target)])) as forwarder:
        forwarder.start()
        yield port


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def test_both_sides_hear_each_other_to_the_end(server: tuple[socket.socket, Path]) -> None:
    listener, path = server
    with forwarded(path) as port, call(port) as browser:
        front, _ = listener.accept()
        browser.sendall(b"request")
        browser.shutdown(socket.SHUT_WR)
        assert front.makefile("rb").read() == b"request"
        front.sendall(b"answer after the request was over")
        front.close()
        assert browser.makefile("rb").read() == b"answer after the request was over"


def test_much_data_arrives_whole_though_the_reader_is_slow(server: tuple[socket.socket, Path]) -> None:
    listener, path = server
    sent = bytes(range(256)) * 40_000
    with forwarded(path) as port, call(port) as browser:
        front, _ = listener.accept()
        threading.Thread(target=lambda: (front.sendall(sent), front.close()), daemon=True).start()
        assert browser.makefile("rb").read() == sent


def test_a_front_that_goes_away_ends_the_browsers_connection(server: tuple[socket.socket, Path]) -> None:
    listener, path = server
    with forwarded(path) as port, call(port) as browser:
        front, _ = listener.accept()
        front.close()
        assert browser.recv(1) == b""


def test_without_a_front_a_connection_ends_at_once_and_later_ones_work(tmp_path: Path) -> None:
    path = tmp_path / "late.sock"
    with forwarded(path) as port:
        with call(port) as early:
            assert early.recv(1) == b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen()
            with call(port) as browser:
                browser.sendall(b"x")
                front, _ = listener.accept()
                assert front.recv(1) == b"x"
                front.close()


def test_a_taken_port_is_said_and_nothing_stays_open(tmp_path: Path) -> None:
    first, taken = free_port(), free_port()
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", taken))
        owner.listen()
        with pytest.raises(Conflict, match=f"cannot listen on 127.0.0.1 port {taken}"):
            Forwarder([Door("127.0.0.1", port, tmp_path / "x") for port in (first, taken)])
    with socket.socket() as again:
        again.bind(("127.0.0.1", first))
        assert again.getsockname()[1] == first


def test_a_browser_that_breaks_off_as_the_front_hangs_up_is_no_error_of_ours(
    server: tuple[socket.socket, Path], caplog: pytest.LogCaptureFixture
) -> None:
    listener, path = server
    with forwarded(path) as port:
        for _ in range(100):
            browser = call(port)
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            front, _ = listener.accept()
            front.close()
            browser.close()
    gc.collect()
    assert caplog.messages == []


def test_a_connection_that_waits_for_its_front_is_not_forgotten(
    server: tuple[socket.socket, Path], caplog: pytest.LogCaptureFixture
) -> None:
    listener, path = server
    with forwarded(path) as port, call(port) as browser:
        front, _ = listener.accept()
        browser.shutdown(socket.SHUT_WR)
        assert front.recv(1) == b""
        gc.collect()
        front.sendall(b"late")
        front.close()
        assert browser.makefile("rb").read() == b"late"
    assert caplog.messages == []


def test_its_end_amid_open_connections_is_no_error_of_ours(
    server: tuple[socket.socket, Path], caplog: pytest.LogCaptureFixture
) -> None:
    listener, path = server
    with contextlib.ExitStack() as ends:
        with forwarded(path) as port:
            for _ in range(5):
                ends.enter_context(call(port))
                ends.enter_context(listener.accept()[0])
        gc.collect()
    assert caplog.messages == []
