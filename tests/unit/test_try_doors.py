"""Where a trial is reached: loopback by both schemes, an address that was asked for by https and under another name."""

from pathlib import Path

import pytest

from appliance.trial.__main__ import doors, others_domain
from origo import config


def opened(home: Path, listen: str) -> set[tuple[str, int, str]]:
    found = doors(home, config.load(home, {}), listen)
    return {(door.address, door.port, door.target.name) for door in found if door.address != "::1"}


def test_an_address_that_was_asked_for_has_https_alone(tmp_path: Path) -> None:
    loopback = {("127.0.0.1", 8080, "front-http.sock"), ("127.0.0.1", 8443, "front-https.sock")}
    assert opened(tmp_path, "") == loopback
    assert opened(tmp_path, "192.0.2.7") == loopback | {("192.0.2.7", 8443, "front-https.sock")}


def test_who_is_reached_from_elsewhere_is_not_called_localhost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGO_DOMAIN", "")
    monkeypatch.delenv("ORIGO_DOMAIN")
    others_domain()
    assert config.load(tmp_path)["domain"] == "test"


def test_a_domain_that_was_set_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGO_DOMAIN", "example.org")
    others_domain()
    assert config.load(tmp_path)["domain"] == "example.org"
