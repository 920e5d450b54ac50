"""What comes into the catalog and leaves it at the same time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo.errors import Conflict
from origo.model import CatalogStack, OperationRow
from origo.operations.core import Core
from origo.services.access import SYSTEM
from origo.services.catalog import build, operations, recipe_read
from origo.services.stacks.operations import InstallStack
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """An entry that was built from the recipe as it is now, asked to leave; nothing is done yet."""
    with kinds.running(tmp_path, kinds.an_entry) as core:
        digest = build.digest(recipe_read.read(kinds.HELLO), kinds.HELLO)
        CatalogStack.update(digest=digest).execute()
        with kinds.reopened(core) as again:
            ask(again, operations.DeleteEntry(), entry=CatalogStack.get().id)
            yield again


def ask(core: Core, operation: Any, **args: Any) -> Any:
    return core.operations.submit(operation, args, by=SYSTEM.id)


def test_what_is_being_taken_out_is_not_built_at_the_same_time(core: Core) -> None:
    with pytest.raises(Conflict, match="cannot build hello 1: it is just being taken out of the catalog"):
        ask(core, operations.BuildStack(), folder=str(kinds.HELLO), fresh=False)


def test_what_is_being_taken_out_is_not_installed_any_more(core: Core) -> None:
    with pytest.raises(Conflict, match="cannot install hello: it is just being taken out of the catalog"):
        ask(core, InstallStack(), **kinds.wanted_stack())


def test_what_is_not_taken_out_after_all_can_be_built_again(core: Core) -> None:
    core.operations.cancel(OperationRow.get(OperationRow.kind == "catalog.delete").id)
    row = ask(core, operations.BuildStack(), folder=str(kinds.HELLO), fresh=False)
    core.operations.start()
    assert core.operations.wait(row.id, 20).status == "done"
