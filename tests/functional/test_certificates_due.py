"""A certificate is renewed in time, new pages get theirs, and what fails is said and tried again, later and later."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner
from fake_acme import FakeDirectory, pair

from origo import __main__, config, model
from origo.cli.certificates import _updates
from origo.client import ordering
from origo.errors import BadInput, Forbidden
from origo.model import OperationRow, Stack, User
from origo.operations.core import Core
from origo.services.access import SYSTEM, Actor
from origo.services.engine import certificates, certifying, doctor
from tests.functional import kinds
from tests.functional.api_world import World
from tests.functional.watching import eventually, open_issues

DAY = 86400.0
NAMES = ["origo.lab.example", "*.origo.lab.example"]
ACME = {"directory": "https://acme.example/dir", "authority": "", "email": "", "agreed": True, "external": None}
ORDER = ACME | {"way": {"by": "http"}}
ADMIN = Actor(id="anna", name="anna", role="admin")


def ours(core: Core) -> None:
    (core.config.home / config.FILE).write_text('domain = "lab.example"\nlisten = "192.0.2.10"\n')


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    monkeypatch.setattr(ordering, "Directory", FakeDirectory)
    with kinds.running(tmp_path, ours) as core:
        yield core


@pytest.fixture
def ordered(core: Core) -> Core:
    kinds.run(core, certifying.OrderCertificate(), **ORDER)
    return core


def minute(core: Core) -> None:
    """What happens each minute."""
    certificates.look_after(core)
    assert eventually(lambda: not OperationRow.select().where(OperationRow.ended.is_null()).exists(), 20)
    certificates.look_after(core)
    assert eventually(lambda: not OperationRow.select().where(OperationRow.ended.is_null()).exists(), 20)


def orders() -> int:
    return int(OperationRow.select().where(OperationRow.kind == "engine.order-certificate").count())


def give(core: Core, *, until: float) -> None:
    """Put one in place that ends in so many days."""
    core.secrets.given_path.write_bytes(b"".join(pair(NAMES, since=-60, until=until)))


@pytest.mark.parametrize(("left", "renewed"), [(40, 1), (29, 2), (-1, 2)])
def test_it_is_renewed_when_a_third_of_its_time_is_left(ordered: Core, left: float, renewed: int) -> None:
    ordered.secrets.given_path.write_bytes(b"".join(pair(NAMES, since=left - 90, until=left)))
    minute(ordered)
    assert orders() == renewed and open_issues() == []


def test_one_that_is_not_renewed_says_why_and_pauses_grow(ordered: Core) -> None:
    refusing = ORDER | {"directory": "https://acme.example/refuse"}
    model.EngineRow.update(acme=refusing).execute()
    OperationRow.delete().execute()
    ordered.secrets.given_path.write_bytes(b"".join(pair(NAMES, since=-65, until=25)))
    for tries, hours in enumerate((1, 2, 4, 8, 24, 24), 1):
        minute(ordered)
        assert orders() == tries
        OperationRow.update(ended=time.time() - hours * 3600 - 1).execute()
    sentence = "the certificate is not renewed: cannot prove origo.lab.example: the ACME server says: it is not there"
    assert open_issues() == [sentence]
    assert "at once by `origo engine renew-certificate`" in model.Issue.get(model.Issue.ended.is_null()).remedy
    model.EngineRow.update(acme=ORDER).execute()
    minute(ordered)
    assert open_issues() == [] and ordered.secrets.given() is not None


def test_pages_that_come_are_gathered_and_a_week_has_forty_orders_at_most(
    ordered: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = User.get(User.id == SYSTEM.id)
    Stack.create(
        name="new", owner=owner, label="new-x1", state="ready", page={"member": "web", "port": 80, "path": "/"}
    )
    minute(ordered)
    assert orders() == 1, "another may come right after it"
    OperationRow.update(ended=time.time() - 700).execute()
    monkeypatch.setattr(certificates, "NEW_NAMES_A_WEEK", 1)
    minute(ordered)
    assert orders() == 1
    monkeypatch.setattr(certificates, "NEW_NAMES_A_WEEK", 2)
    minute(ordered)
    given = ordered.secrets.given()
    assert given and given.names == ("origo.lab.example", "new-x1.origo.lab.example") and orders() == 2


@pytest.mark.parametrize(
    ("left", "said"), [(31, ""), (10, "the certificate of the engine's pages ends on "), (-1, "ended on ")]
)
def test_the_end_of_a_given_one_is_told_before(core: Core, left: float, said: str) -> None:
    core.secrets.given_path.write_bytes(b"".join(pair(NAMES, since=left - 300, until=left)))
    minute(core)
    assert [said in one for one in open_issues()] == ([True] if said else [])
    give(core, until=90)
    minute(core)
    assert open_issues() == [] and orders() == 0


def test_one_that_cannot_serve_is_told_and_the_engines_own_is_shown(core: Core) -> None:
    core.secrets.given_path.write_bytes(b"\xffdamaged")
    minute(core)
    assert "the engine shows a certificate of its own" in open_issues()[0]
    assert certificates.show(core, SYSTEM)["source"] == "own"
    assert [one["ok"] for one in doctor.doctor(core, SYSTEM)["items"] if one["about"] == "certificate"] == [False]
    kinds.run(core, certifying.OrderCertificate(), **ORDER)
    minute(core)
    assert open_issues() == [] and certificates.show(core, SYSTEM)["source"] == "ordered"
    told = [one["sentence"] for one in doctor.doctor(core, SYSTEM)["items"] if one["about"] == "certificate"]
    assert told[0].startswith("of Somebody, for 89 days, until 2")


def test_a_clock_that_is_set_back_orders_nothing_twice(ordered: Core) -> None:
    with time_machine.travel(time.time() - 3600):
        minute(ordered)
    assert orders() == 1


def test_names_of_this_machine_alone_are_never_ordered_for(tmp_path: Path) -> None:
    with (
        kinds.running(
            tmp_path, lambda core: (core.config.home / config.FILE).write_text('listen = "192.0.2.1"')
        ) as core,
        pytest.raises(BadInput, match="nobody but this machine knows that name"),
    ):
        core.operations.submit(certifying.OrderCertificate(), ORDER, by=SYSTEM.id)


def test_over_http_only_a_front_that_is_reached_proves_names(core: Core) -> None:
    core.config = core.config.changed({"listen": "127.0.0.1 ::1"})
    with pytest.raises(BadInput, match="the front listens on loopback only"):
        core.operations.submit(certifying.OrderCertificate(), ORDER, by=SYSTEM.id)


@pytest.mark.parametrize(
    ("program", "said"),
    [("hook", "by its whole path"), ("/nowhere/hook", "no such program"), ("/etc/passwd", "no such program")],
)
def test_a_hook_is_a_program_that_only_root_changes(core: Core, program: str, said: str, tmp_path: Path) -> None:
    for way, words in ((program, said), (str(_loose(tmp_path)), "others than root may change")):
        with pytest.raises(BadInput, match=words):
            core.operations.submit(
                certifying.OrderCertificate(), ORDER | {"way": {"by": "hook", "program": way}}, by=SYSTEM.id
            )


def _loose(folder: Path) -> Path:
    program = folder / "hook"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    return program


def test_only_root_at_the_machine_names_a_program(core: Core) -> None:
    from origo.api.certificates import OrderCertificate

    with pytest.raises(Forbidden):
        certificates.order(core, ADMIN, OrderCertificate(hook="/usr/bin/true"))


def test_nothing_that_was_not_ordered_is_renewed(core: Core) -> None:
    with pytest.raises(BadInput, match="none was ordered"):
        certificates.renew(core, SYSTEM)


def test_no_plan_shows_a_key(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    give(core, until=90)
    monkeypatch.setenv("ORIGO_HOME", str(core.config.home))
    chain, key = pair(NAMES)
    for name, text in (("chain", chain), ("key", key)):
        (core.config.home / name).write_bytes(text)
    world = World(core.config.home, core=core)
    world.web.start()
    words = ["set-certificate", "--chain", str(core.config.home / "chain"), "--key", str(core.config.home / "key")]
    try:
        shown = CliRunner().invoke(__main__.cli, ["engine", *words, "--plan", "--json"])
    finally:
        world.web.stop()
    assert '"before": null' in shown.stdout and "gAAAA" not in shown.stdout, (shown.output, shown.exception)


def test_a_key_for_updates_is_read_as_the_name_servers_tool_writes_it() -> None:
    text = 'key "engine" {\n\talgorithm hmac-sha512;\n\tsecret "c2Vj=";\n};\n'
    same = {"key_name": "engine", "algorithm": "hmac-sha512", "secret": "c2Vj="}
    assert _updates("ns.example", text) == {"server": "ns.example"} | same
    assert _updates("ns.example:5353", text) == {"server": "ns.example", "port": 5353} | same
    assert _updates("[2001:db8::1]:5353", text) == {"server": "2001:db8::1", "port": 5353} | same
    assert _updates("2001:db8::1", text) == {"server": "2001:db8::1"} | same
