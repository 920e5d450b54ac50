"""The firewall that the engine makes of its settings and its machine."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

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
