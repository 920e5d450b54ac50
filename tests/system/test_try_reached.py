"""What `--listen ADDRESS --trust` opens: https on that address, trusted by this machine, and nothing of it left."""

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_world import Front, have_address

from appliance.trial import trust
from appliance.trial.__main__ import doors
from appliance.trial.forwarder import Forwarder
from origo import config

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(60)]

ADDRESS = "192.0.2.7"
HTTPS_PORT = 28443
CERTIFICATES = Path("/etc/ssl/certs")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[None]:
    """The machine's certificates as copies, over its own in this world's mounts alone."""
    with contextlib.ExitStack() as undone:
        for number, folder in enumerate((CERTIFICATES, trust.STORE)):
            folder.mkdir(parents=True, exist_ok=True)
            copy = tmp_path / str(number)
            shutil.copytree(folder, copy, symlinks=True)
            for link in orphans(copy):
                link.unlink()
            subprocess.run(["mount", "--bind", str(copy), str(folder)], check=True)
            undone.callback(subprocess.run, ["umount", str(folder)], check=True)
        yield


@pytest.fixture
def reached(front: Front) -> Iterator[None]:
    """The front behind that address, as the trial lets it be reached."""
    have_address(ADDRESS)
    ports = {"ORIGO_HTTPS_PORT": str(HTTPS_PORT), "ORIGO_HTTP_PORT": "28080"}
    opened = doors(front.home, config.load(front.home, ports), ADDRESS)
    with contextlib.closing(Forwarder(opened)) as forwarder:
        forwarder.start()
        yield


def orphans(folder: Path) -> list[Path]:
    """Links of that folder which lead nowhere."""
    return [path for path in folder.rglob("*") if not path.exists()]


def held() -> dict[str, bytes]:
    """Every certificate of the store; no link leads nowhere."""
    assert orphans(CERTIFICATES) == []
    return {str(path): path.read_bytes() for folder in (CERTIFICATES, trust.STORE) for path in folder.rglob("*.*")}


def asked(address: str) -> int:
    """The status with which the log-in page answers there, to whom trusts what the machine does."""
    with socket.create_connection((address, HTTPS_PORT), timeout=5) as plain:
        connection = http.client.HTTPSConnection("origo.localhost", HTTPS_PORT)
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname="origo.localhost")
        connection.request("GET", "/login")
        return connection.getresponse().status


def test_https_on_the_address_is_trusted_until_trust_is_withdrawn(front: Front, store: None, reached: None) -> None:
    before = held()
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(ADDRESS)
    trust.give(front.home)
    assert (asked(ADDRESS), asked("127.0.0.1")) == (200, 200)
    trust.withdraw(front.home)
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(ADDRESS)
    assert held() == before
