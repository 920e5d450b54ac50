"""The firewall that the engine makes of its settings and its machine."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.host import Result
from origo.host.local import LocalHost
from origo.operations.core import Core
from origo.services.engine.firewall import Firewall
from tests.functional import kinds


class Machine(LocalHost):
    """A machine whose one table is what nft was given last, and whose programs say what a test lets them say."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ""
        self.says: dict[str, str] = {}

    def run(self, argv: Sequence[str], **more: Any) -> Result:
        if argv[0] != "nft":
            return Result(tuple(argv), 0, self.says.get(argv[0], "").encode(), b"")
        if "input" in more:
            text = more["input"].decode()
            self.table = text if text.endswith("}\n") else ""
        return Result(tuple(argv), 0 if self.table else 1, self.table.encode(), b"")


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.waiting(tmp_path) as made:
        made.config = made.config.changed({"firewall": True})
        yield dataclasses.replace(made, local=Machine())


@pytest.fixture
def here(core: Core) -> Machine:
    assert isinstance(core.local, Machine)
    return core.local


def test_ssh_that_was_moved_to_another_port_is_let_in(core: Core, here: Machine) -> None:
    here.says["sshd"] = "port 22\nlistenaddress 0.0.0.0:2222\n"
    here.says["systemctl"] = "Listen=[::]:2022 (Stream)\nActiveState=active\n"
    Firewall(core).ensure()
    assert [port for port in (22, 2022, 2222) if f"        tcp dport {port} accept\n" in here.table] == [22, 2022, 2222]


def test_what_was_made_is_kept_for_the_next_boot_and_for_root_alone(core: Core, here: Machine) -> None:
    Firewall(core).ensure()
    kept = Path(core.config.path("run", "firewall.nft"))
    assert kept.read_text() == here.table
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_follows_the_settings(core: Core, here: Machine) -> None:
    wall = Firewall(core)
    wall.ensure()
    core.config = core.config.changed({"firewall_open": "5432/tcp"})
    wall.ensure()
    assert "tcp dport 5432 accept" in Path(core.config.path("run", "firewall.nft")).read_text()


def test_what_is_kept_names_no_interface_since_the_next_boot_may_name_it_otherwise(core: Core, here: Machine) -> None:
    core.config = core.config.changed({"outer_interface": "lo"})
    Firewall(core).ensure()
    kept = Path(core.config.path("run", "firewall.nft")).read_text()
    assert '        iifname "lo" tcp dport 22 accept\n' in here.table
    assert kept == here.table.replace('iifname "lo" ', "")


def test_a_firewall_that_is_turned_off_is_taken_away_and_not_kept_also_by_the_next_daemon(
    core: Core, here: Machine
) -> None:
    Firewall(core).ensure()
    core.config = core.config.changed({"firewall": False})
    Firewall(core).ensure()
    assert here.table == ""
    assert not Path(core.config.path("run", "firewall.nft")).exists()


def test_before_the_machine_is_up_a_table_that_is_there_stays_and_a_missing_one_is_made(
    core: Core, here: Machine
) -> None:
    core.config = core.config.changed({"outer_interface": "comes-later"})
    Firewall(core).begin()
    assert "        tcp dport 22 accept\n" in here.table and not model.Issue.select().exists()
    here.table = kept = here.table.replace("dport 22 ", "dport 2222 ")
    Firewall(core).begin()
    assert here.table == kept
    Firewall(core).ensure()
    assert "dport 22 " in here.table and model.Issue.select().exists()
