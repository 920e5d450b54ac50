"""While an operation is submitted nobody else can write: so nothing in that transaction waits for the outside world."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from origo import model
from origo.host.local import LocalHost
from origo.services.access import SYSTEM
from origo.services.catalog import build
from origo.services.catalog import operations as catalog
from origo.testing.proof import Scenario
from tests.functional import kinds, scenarios


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The commands that were run inside a transaction."""
    found: list[Sequence[str]] = []
    command = LocalHost.command

    def noted(self: LocalHost, argv: Sequence[str], **more: Any) -> Any:
        if model.database.in_transaction():
            found.append(argv)
        return command(self, argv, **more)

    monkeypatch.setattr(LocalHost, "command", noted)
    return found


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.title)
def test_no_command_runs_in_the_transaction_that_submits_an_operation(
    scenario: Scenario, tmp_path: Path, commands: list[Sequence[str]]
) -> None:
    scenario.prepare(tmp_path)
    engine = scenario.open(tmp_path)
    commands.clear()
    scenario.submit(tmp_path, engine, False)
    assert commands == []
    model.database.close()


def test_a_recipe_is_read_and_its_files_are_hashed_before_the_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    digest = build.digest

    def noted(*args: Any) -> str:
        asked.append(model.database.in_transaction())
        return digest(*args)

    monkeypatch.setattr(build, "digest", noted)
    core = kinds.open_core(tmp_path)
    kinds.furnish(core)
    args = {"folder": str(kinds.HELLO), "fresh": False}
    row = core.operations.submit(catalog.BuildStack(), args, by=SYSTEM.id)
    assert asked == [False]
    assert row.steps[-1] == "describe the stack"
    assert len(row.data["images"]) == model.CatalogMaster.select().count() == 2
    model.database.close()
