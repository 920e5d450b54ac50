"""The certificate of the engine's pages for real: given, ordered from an ACME server, renewed, and the engine's own."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acme_world import ADDRESS, DOMAIN, ENGINE, SERVER, Acme, acme_world
from click.testing import CliRunner, Result
from front_world import Front, front_world, guest, have_address, within
from websockets.sync import client as websocket
from websockets.sync.server import ServerConnection, serve

from origo import __main__, model
from origo.model import Issue, OperationRow, Stack
from origo.secrets import Secrets, certificates
from origo.services.engine import certificates as looking

pytestmark = [pytest.mark.needs("nginx", "pebble"), pytest.mark.timeout(180)]

Run = Callable[..., Result]
HOOK = """#!/bin/sh
# Tell the name server by its own tool.
set -e
zone() {{ action=$1; shift; knotc -c {folder}/knot.conf "zone-$action" {domain}. "$@"; }}
zone begin
case "$1" in
    present) zone set "$2." 60 TXT "$3" ;;
    cleanup) zone unset "$2." TXT "$3" ;;
esac
zone commit
echo "$1 $2" >>{folder}/hook.log
"""


@pytest.fixture(scope="module")
def acme() -> Iterator[Acme]:
    with acme_world() as made:
        yield made


@pytest.fixture(scope="module")
def front(acme: Acme) -> Iterator[Front]:
    settings = {"DOMAIN": DOMAIN, "LISTEN": ADDRESS, "HTTP_PORT": "80", "HTTPS_PORT": "443"}
    with front_world(**{f"ORIGO_{name}": value for name, value in settings.items()}) as made:
        made.core.operations.start()
        yield made
        made.core.operations.stop()


@pytest.fixture
def run(front: Front, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ORIGO_HOME", str(front.home))
    return lambda *words: CliRunner().invoke(__main__.cli, ["engine", *words])


@pytest.fixture
def order(run: Run, acme: Acme) -> Run:
    known = ["--directory", acme.directory, "--directory-authority", str(acme.authority), "--agree-terms"]
    return lambda *words: run("order-certificate", *known, *words)


@pytest.fixture
def by_dns(order: Run, acme: Acme) -> Run:
    return lambda *words: order("--dns-server", SERVER, "--dns-key", str(acme.key), *words)


def shown(name: str, trust: Path) -> certificates.Facts:
    """What a browser that trusts that authority is shown under a name. Raises ssl.SSLError if it does not like it."""
    context = ssl.create_default_context(cafile=str(trust))
    with (
        socket.create_connection((ADDRESS, 443), timeout=5) as line,
        context.wrap_socket(line, server_hostname=name) as secure,
    ):
        return certificates.facts(ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"").encode())


def own(front: Front) -> Path:
    return front.core.secrets.front(DOMAIN).authority


def fetch(address: str, *more: str) -> str:
    curl = ["curl", "-sS", "-i", "--max-time", "10", "--connect-to", f"::{ADDRESS}:", *more, address]
    return subprocess.run(curl, check=True, stdout=subprocess.PIPE, text=True).stdout


def sentences() -> list[str]:
    return [issue.sentence for issue in Issue.select().where(Issue.ended.is_null())]


def test_plain_http_from_elsewhere_leads_to_https_and_nowhere_else(front: Front) -> None:
    led = fetch(f"http://{ENGINE}/some?thing=1")
    assert " 301 " in led and f"Location: https://{ENGINE}/some?thing=1" in led
    assert f"Location: https://hello-x1.{ENGINE}/" in fetch(f"http://hello-x1.{ENGINE}/")
    assert " 421 " in fetch("http://other.example/") and "Location" not in fetch("http://other.example/")
    shown_files = f"http://{ENGINE}/.well-known/acme-challenge"
    assert " 404 " in fetch(f"{shown_files}/nothing")
    assert " 200 " not in fetch(f"{shown_files}/../../front.sock", "--path-as-is")


def test_a_wildcard_is_ordered_by_an_update_of_dns(front: Front, acme: Acme, by_dns: Run, run: Run) -> None:
    assert shown(ENGINE, own(front)).issuer == f"Origo {ENGINE}"
    plan = by_dns("--plan")
    assert f"*.{ENGINE}, proven by an update of DNS" in plan.stdout, (plan.output, plan.exception)
    assert not front.core.secrets.has_account() and not OperationRow.select().exists()
    done = by_dns("--email", "anna@lab.example")
    assert f"for {ENGINE}, *.{ENGINE}" in done.stdout, (done.output, done.exception)
    for name in (ENGINE, f"anything-x1y2.{ENGINE}"):
        assert shown(name, acme.root()).names == (ENGINE, f"*.{ENGINE}")
    assert acme.texts() == []
    told = json.loads(run("show-certificate", "--json").stdout)
    assert (told["source"], told["proven_by"], told["directory"]) == ("ordered", "dns", acme.directory)
    assert told["since"] < told["renewed"] < told["until"]


def test_no_secret_is_in_the_journal_the_log_or_the_events_and_keys_are_roots_alone(front: Front, acme: Acme) -> None:
    rows = [repr(row) for table in (OperationRow, model.OperationLog, model.EventRow) for row in table.select().dicts()]
    assert rows and "PRIVATE KEY" not in str(rows) and acme.zone().secret not in str(rows)
    for path in (front.core.secrets.given_path, front.home / "keys" / "acme-account.key"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_renewal_changes_the_certificate_and_no_websocket_notices(front: Front, acme: Acme, run: Run) -> None:
    have_address("10.7.0.5")
    anna = front.user("anna")
    chat = front.stack(anna, "chat", "10.7.0.5")
    page, trust = f"{chat.label}.{ENGINE}", acme.root()

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    cookie = f"__Host-origo={_inside(front, chat, front.session(anna), trust)}"
    with serve(echo, "10.7.0.5", 80) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before = shown(page, trust)
        with websocket.connect(
            f"wss://{page}/", additional_headers={"Cookie": cookie}, origin=f"https://{page}",  # type: ignore[arg-type]
            ssl=ssl.create_default_context(cafile=str(trust)), sock=socket.create_connection((ADDRESS, 443)),
        ) as line:  # fmt: skip
            for number in range(3):
                done = run("renew-certificate")
                assert done.exit_code == 0, (done.output, done.exception)
                after = shown(page, trust)
                assert after.serial != before.serial
                before = after
                line.send(f"still here {number}")
                assert line.recv(5) == f"still here {number}"
        server.shutdown()


def _inside(front: Front, stack: Stack, session: str, trust: Path) -> str:
    """The cookie of the stack's own origin, by the way a browser goes."""
    led = fetch(f"https://{ENGINE}/enter/{stack.label}", "--cacert", str(trust), "-b", f"__Host-origo={session}")
    there = next(line.split(": ", 1)[1] for line in led.splitlines() if line.lower().startswith("location: "))
    entered = fetch(there, "--cacert", str(trust))
    return entered.partition("__Host-origo=")[2].partition(";")[0]


def test_an_order_that_is_refused_leaves_the_certificate_and_nothing_in_the_zone(
    front: Front, acme: Acme, order: Run, tmp_path: Path
) -> None:
    before = shown(ENGINE, acme.root())
    wrong = tmp_path / "wrong.key"
    wrong.write_text(acme.key.read_text().replace("c2Vj", "d2Vj"))
    refused = order("--dns-server", SERVER, "--dns-key", str(wrong))
    assert refused.exit_code == 1 and "does not take the key engine" in refused.stderr
    refused = order("--hook", "/usr/bin/true")
    assert refused.exit_code == 1 and "the ACME server says: No TXT records found" in refused.stderr, refused.stderr
    assert shown(ENGINE, acme.root()) == before and acme.texts() == []
    assert model.EngineRow.get().acme["way"]["by"] == "dns", "the next renewal goes as the last good one"


def test_a_renewal_that_fails_is_an_issue_with_the_servers_words_and_ends_by_itself(
    front: Front, acme: Acme, by_dns: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = front.core
    monkeypatch.setattr(looking, "_due", lambda said: 0.0)
    monkeypatch.setattr(looking, "PAUSES", (3600.0,))
    row = model.EngineRow.get()
    good = row.acme
    bad = good | {"way": {"by": "hook", "program": "/usr/bin/true"}}
    model.EngineRow.update(acme=bad).execute()
    OperationRow.delete().execute()
    for _ in range(3):  # minutes
        looking.look_after(core)
        assert within(30, lambda: not OperationRow.select().where(OperationRow.ended.is_null()).exists())
    assert OperationRow.select().count() == 1, "it is not tried again at once"
    assert [one for one in sentences() if "not renewed" in one and "the ACME server says: No TXT" in one], sentences()
    model.EngineRow.update(acme=good).execute()
    OperationRow.update(ended=OperationRow.ended - 3700).execute()
    looking.look_after(core)
    assert within(30, lambda: OperationRow.select().where(OperationRow.status == "done").exists())
    monkeypatch.undo()
    looking.look_after(core)
    assert sentences() == []


def test_a_hook_of_root_changes_dns(front: Front, acme: Acme, order: Run, tmp_path: Path) -> None:
    hook = acme.folder / "hook"
    hook.write_text(HOOK.format(domain=DOMAIN, folder=acme.folder))
    hook.chmod(0o755)
    done = order("--hook", str(hook))
    assert done.exit_code == 0, (done.output, done.exception)
    said = (acme.folder / "hook.log").read_text().splitlines()
    assert said == [f"{verb} _acme-challenge.{ENGINE}" for verb in ("present", "present", "cleanup", "cleanup")]
    assert acme.texts() == [] and shown(ENGINE, acme.root()).names == (ENGINE, f"*.{ENGINE}")
    hook.chmod(0o777)
    refused = order("--hook", str(hook))
    assert "others than root may change" in str(refused.exception)


def test_without_dns_the_names_of_the_pages_are_proven_over_http_as_they_come(
    front: Front, acme: Acme, order: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = (f"{row.label}.{ENGINE}" for row in Stack.select())
    done = order()
    assert done.exit_code == 0, (done.output, done.exception)
    assert shown(first, acme.root()).names == (ENGINE, first)
    assert list((front.home / "run/challenges").iterdir()) == []
    monkeypatch.setattr(looking, "NEW_NAMES_PAUSE", 0.0)
    looking.look_after(front.core)
    assert not OperationRow.select().where(OperationRow.ended.is_null()).exists(), "nothing is missing"
    new = front.stack(model.User.get(model.User.name == "anna"), "new", "10.7.0.6")
    looking.look_after(front.core)
    page = f"{new.label}.{ENGINE}"
    assert within(30, lambda: page in front.core.secrets.given().names)  # type: ignore[union-attr]
    assert within(10, lambda: not OperationRow.select().where(OperationRow.ended.is_null()).exists())
    assert set(shown(page, acme.root()).names) == {ENGINE, first, page}


def test_a_certificate_that_is_given_is_shown_and_the_engines_own_comes_back(
    front: Front, run: Run, tmp_path: Path
) -> None:
    made = Secrets(tmp_path / "elsewhere").issue("given", [ENGINE, f"*.{ENGINE}"])
    done = run("set-certificate", "--chain", str(made.certificate), "--key", str(made.key))
    assert "shows a certificate of Origo nodes until" in done.stdout, (done.output, done.exception)
    assert shown(f"any-x1.{ENGINE}", made.authority).serial == made.serial
    assert json.loads(run("show-certificate", "--json").stdout)["source"] == "given"
    with pytest.raises(ssl.SSLError):
        shown(ENGINE, own(front))
    done = run("remove-certificate")
    assert f"shows a certificate of Origo {ENGINE} until" in done.stdout, (done.output, done.exception)
    assert shown(ENGINE, own(front)).issuer == f"Origo {ENGINE}"
    assert not front.core.secrets.given_path.exists() and model.EngineRow.get().acme is None


def test_who_has_a_session_stays_logged_in_and_guests_are_untouched(front: Front) -> None:
    with guest("10.7.0.6"):
        anna = model.User.get(model.User.name == "anna")
        new = Stack.get(Stack.name == "new")
        cookie = _inside(front, new, front.session(anna), own(front))
        page = fetch(f"https://{new.label}.{ENGINE}/", "--cacert", str(own(front)), "-b", f"__Host-origo={cookie}")
        assert "A guest" in page
