"""The engine tells of an upgrade that failed, and starts whatever became of the report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.operations.core import Core
from origo.services.engine import upgrades
from tests.functional import kinds
from tests.functional.watching import open_issues


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


@pytest.fixture
def failed(core: Core) -> Path:
    folder = Path(core.config.path(upgrades.FOLDER))
    folder.mkdir()
    return folder / "failed"


def told(core: Core) -> list[str]:
    upgrades.look(core)
    return open_issues()


def test_a_version_that_failed_is_an_issue_with_its_last_words_until_it_is_forgotten(core: Core, failed: Path) -> None:
    failed.write_text("2\n1\nexit-code\n")
    failed.with_name("log").write_text("cannot start: no room\n  (make some)\n")
    assert told(core) == ["Origo 2 does not run, and 1 does again: cannot start: no room"]
    failed.unlink()
    assert told(core) == []


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"2\n1", b"2\n\n\n", b"2\n1\ntimeout\nmore\n", b"\xff\n\xff\n"])
def test_a_report_that_a_power_cut_has_damaged_is_none(content: bytes, core: Core, failed: Path) -> None:
    failed.write_bytes(content)
    assert told(core) == []
