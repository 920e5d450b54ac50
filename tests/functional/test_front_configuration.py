"""nginx's configuration: written for the nginx that is there, and open where the setting says so, no further."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from origo.operations.core import Core
from origo.services import front
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


def configured(core: Core, listen: str, version: str = "1.22.1") -> str:
    """What is written for such a setting and such an nginx."""
    said: Any = SimpleNamespace(err=f"nginx version: nginx/{version}\n".encode())
    settings = core.config.changed({"domain": "lab.example", "listen": listen, "https_port": 443})
    local: Any = SimpleNamespace(run=lambda argv: said)
    (text,) = front.service(replace(core, config=settings, local=local)).files.values()
    return text


@pytest.mark.parametrize(
    ("version", "listening", "directives"), [("1.22.1", 9, 0), ("1.25.0", 9, 0), ("1.25.1", 0, 3), ("1.26.3", 0, 3)]
)
def test_http2_is_asked_for_as_that_nginx_wants_it(core: Core, version: str, listening: int, directives: int) -> None:
    text = configured(core, "127.0.0.1 192.0.2.10", version)
    assert (text.count(" ssl http2"), text.count("http2 on;")) == (listening, directives)
    assert len(re.findall(r"listen .* ssl( http2)?( default_server)?;", text)) == 9


def test_plain_http_shows_the_engine_on_loopback_alone(core: Core) -> None:
    text = configured(core, "127.0.0.1 0.0.0.0 ::")
    plain, engine = text.partition("return 301 https://$host$request_uri;")[0], text.partition("proxy_pass")[0]
    assert "listen 0.0.0.0:8080;" in plain and "listen [::]:8080;" in plain
    own = engine.rpartition("server {")[2]
    assert "listen 127.0.0.1:8080;" in own and "0.0.0.0:8080" not in own and "0.0.0.0:443 ssl" in own


def test_on_loopback_alone_nothing_leads_to_https(core: Core) -> None:
    assert "return 301" not in configured(core, "127.0.0.1 ::1")
