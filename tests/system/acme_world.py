"""A small internet: a name server that takes signed updates (knot), and an ACME server (pebble) that asks it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
from front_world import have_address

from origo.client.zones import Zone
from origo.secrets import Secrets

DOMAIN = "lab.example"
ENGINE = f"origo.{DOMAIN}"
ADDRESS = "192.0.2.10"
"""Of the engine, on this world's loopback; the name server has the one after it."""
SERVER = "192.0.2.11"
SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISE="
KEY = f'key "engine" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n'
KNOT = """
server:
    rundir: "{folder}"
    listen: [ "{server}@53" ]
    user: root:root
    automatic-acl: off
database:
    storage: "{folder}"
log:
  - target: "{folder}/knot.log"
    any: info
key:
  - id: engine
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: engine
    address: 0.0.0.0/0
    key: engine
    action: update
zone:
  - domain: {domain}
    storage: "{folder}"
    file: zone
    acl: engine
    zonefile-sync: -1
    journal-content: all
"""
ZONE = """\
$ORIGIN {domain}.
$TTL 60
@ SOA ns.{domain}. root.{domain}. 1 60 60 3600 60
@ NS ns
ns A {server}
origo A {address}
*.origo A {address}
acme A 127.0.0.1
"""


@dataclass(frozen=True)
class Acme:
    """The ACME server: its directory, and who vouches for it."""

    folder: Path
    directory: str
    authority: Path

    @property
    def key(self) -> Path:
        """The file with the key for updates."""
        return self.folder / "update.key"

    def zone(self, secret: str = SECRET) -> Zone:
        return Zone(SERVER, 53, "engine", "hmac-sha256", secret)

    def root(self) -> Path:
        """The root of all certificates that it gives."""
        path = self.folder / "root.pem"
        curl = ["curl", "-sS", "--cacert", str(self.authority), "https://127.0.0.1:15000/roots/0", "-o", str(path)]
        subprocess.run(curl, check=True, timeout=20)
        return path

    def texts(self) -> list[str]:
        """What is said now to prove the engine's name."""
        answer = dns.query.udp(dns.message.make_query(f"_acme-challenge.{ENGINE}", "TXT"), SERVER, timeout=5)
        return [str(one) for found in answer.answer for one in found]


@contextlib.contextmanager
def acme_world(accounts: dict[str, str] | None = None) -> Iterator[Acme]:
    """Both servers, ready; `accounts` are the only ones that pebble takes, by id with their keys."""
    folder = Path(tempfile.mkdtemp(prefix="origo-acme-", dir="/run"))
    for address in (ADDRESS, SERVER):
        have_address(address)
    (folder / "update.key").write_text(KEY)
    (folder / "zone").write_text(ZONE.format(domain=DOMAIN, server=SERVER, address=ADDRESS))
    (folder / "knot.conf").write_text(KNOT.format(folder=folder, server=SERVER, secret=SECRET, domain=DOMAIN))
    own = Secrets(folder / "keys").issue("acme", ["127.0.0.1", "localhost"])
    (folder / "pebble.json").write_text(json.dumps({"pebble": {
        "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
        "httpPort": 80, "tlsPort": 443,
        "externalAccountBindingRequired": bool(accounts), "externalAccountMACKeys": accounts or {},
        "certificate": str(own.certificate), "privateKey": str(own.key),
    }}))  # fmt: skip
    variables = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    pebble = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"{SERVER}:53"]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        for argv, port in ((["knotd", "-c", str(folder / "knot.conf")], (SERVER, 53)), (pebble, ("127.0.0.1", 14000))):
            log = stack.enter_context((folder / f"{argv[0]}.log").open("wb"))
            program = subprocess.Popen(argv, stdout=log, stderr=log, env=os.environ | variables)
            stack.callback(program.wait, 20)
            stack.callback(program.kill)
            _await(program, port, folder / f"{argv[0]}.log")
        yield Acme(folder, "https://127.0.0.1:14000/dir", own.authority)


def _await(program: subprocess.Popen[bytes], port: tuple[str, int], log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(port, timeout=1):
            return
        assert program.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)
