"""The own domain on a machine: a certificate from an ACME server, proven by a hook and over http, seen from outside."""

import json
import socket
import ssl
from pathlib import Path

import pytest

from origo.secrets import certificates
from origo.secrets.certificates import Facts
from tests.appliance.machine import Machine
from tests.appliance.package import answers
from tests.appliance.room import Room
from tests.appliance.site import installed

DOMAIN = "lab.test"
ENGINE = f"origo.{DOMAIN}"
ACME = "/root/acme"
ANSWERS = f"""
name = "lab"
domain = "{DOMAIN}"

[administrator]
name = "anna"
password = "correct horse battery"
"""
PEBBLE = """{"pebble": {
    "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "httpPort": 80, "tlsPort": 443,
    "certificate": "/root/acme/server.crt", "privateKey": "/root/acme/server.key"
}}
"""
SERVERS = f"""
cd {ACME}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=pebble \\
    -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.crt
address=$(ip -4 -o address show scope global | awk '{{ sub("/.*", "", $4); print $4; exit }}')
systemd-run --quiet --unit=names pebble-challtestsrv -defaultIPv4 "$address" -defaultIPv6 "" -http01 "" -https01 "" \\
    -tlsalpn01 "" -dns01 127.0.0.1:8053 -management 127.0.0.1:8055
systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \\
    pebble -config {ACME}/pebble.json -dnsserver 127.0.0.1:8053
for second in $(seq 60); do
    curl -fsS --cacert server.crt https://127.0.0.1:15000/roots/0 -o root.pem && exit
    sleep 1
done
exit 1
"""
HOOK = """#!/bin/sh
set -e
case "$1" in
    present) action=set-txt ;;
    cleanup) action=clear-txt ;;
esac
curl -fsS -d "{\\"host\\": \\"$2.\\", \\"value\\": \\"$3\\"}" "http://127.0.0.1:8055/$action"
"""
ORDER = (
    "origo engine order-certificate --agree-terms --directory https://127.0.0.1:14000/dir"
    f" --directory-authority {ACME}/server.crt"
)


@pytest.fixture(scope="module")
def machine(module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    site = installed(module_room, tmp_path_factory.mktemp("site"), disks={}, forward=[80, 443], egress=False)
    made = site.machine
    made.put(ANSWERS, "/root/answers.toml")
    made.run("origo setup --answers /root/answers.toml", timeout=300)
    made.run(["mkdir", ACME])
    made.put(PEBBLE, f"{ACME}/pebble.json")
    made.put(HOOK, "/usr/local/sbin/origo-dns")
    made.run("chmod 755 /usr/local/sbin/origo-dns")
    made.run(SERVERS, timeout=180)
    return made


@pytest.fixture(scope="module")
def root(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority of all certificates that the ACME server gives."""
    path = tmp_path_factory.mktemp("root") / "root.pem"
    path.write_bytes(machine.get(f"{ACME}/root.pem"))
    return path


def shown(machine: Machine, name: str, trust: Path) -> Facts:
    """What a browser outside that trusts that authority is shown under a name."""
    context = ssl.create_default_context(cafile=str(trust))
    with (
        socket.create_connection(("127.0.0.1", machine.ports[443]), timeout=60) as line,
        context.wrap_socket(line, server_hostname=name) as secure,
    ):
        return certificates.facts(ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"").encode())


def test_nginx_has_nothing_to_warn_of(machine: Machine) -> None:
    told = machine.run("journalctl -b -o cat --no-pager -u origo-nginx")
    assert "[warn]" not in told and "[emerg]" not in told


def test_plain_http_leads_to_https(machine: Machine) -> None:
    with socket.create_connection(("127.0.0.1", machine.ports[80]), timeout=60) as line:
        line.sendall(f"GET /page HTTP/1.1\r\nHost: {ENGINE}\r\nConnection: close\r\n\r\n".encode())
        said = line.makefile().read()
    assert " 301 " in said and f"Location: https://{ENGINE}/page" in said


def test_names_are_proven_over_http(machine: Machine, root: Path) -> None:
    assert f"for {ENGINE}" in machine.run(ORDER, timeout=300)
    assert shown(machine, ENGINE, root).names == (ENGINE,)


def test_a_wildcard_is_ordered_with_a_hook(machine: Machine, root: Path) -> None:
    assert f"*.{ENGINE}" in machine.run(f"{ORDER} --hook /usr/local/sbin/origo-dns", timeout=300)
    assert shown(machine, f"any-x1y2.{ENGINE}", root).names == (ENGINE, f"*.{ENGINE}")


def test_it_is_there_after_a_reboot_and_the_next_one_is_ordered_in_the_same_way(machine: Machine, root: Path) -> None:
    before = shown(machine, ENGINE, root)
    machine.reboot()
    answers(machine)
    machine.wait(lambda: "origo-nginx.service" in machine.run("systemctl list-units --state=active"), "the front")
    assert shown(machine, ENGINE, root) == before
    told = json.loads(machine.run("origo engine show-certificate --json"))
    assert (told["source"], told["proven_by"]) == ("ordered", "hook")
    assert machine.attempt("origo engine renew-certificate", timeout=300).status == 1, "the ACME server is gone"
    assert shown(machine, ENGINE, root) == before


def test_one_command_brings_the_engines_own_back(machine: Machine, tmp_path: Path) -> None:
    machine.run("origo engine remove-certificate", timeout=120)
    (tmp_path / "own.crt").write_bytes(machine.get("/var/lib/origo/keys/front/authority.crt"))
    assert shown(machine, ENGINE, tmp_path / "own.crt").issuer == f"Origo {ENGINE}"
