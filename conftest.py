"""What all tests share: real ones run only where their back end works; a run leaves its counts for `tests/run`."""

import json
import os
import pathlib
from collections.abc import Iterator

import pytest

from tests import backends

SYSTEM = pathlib.Path(__file__).resolve().parent / "tests" / "system"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in tests/system says which back end it needs, or `tests/run` would never run it."""
    silent = [item.nodeid for item in items if SYSTEM in item.path.parents and not item.get_closest_marker("needs")]
    if silent:
        raise pytest.UsageError(f"cannot tell what these need; mark them with pytest.mark.needs: {', '.join(silent)}")


@pytest.fixture(autouse=True, scope="session")
def _no_home() -> Iterator[None]:
    """No test finds a home of the machine by accident."""
    kept = os.environ.pop("ORIGO_HOME", None)
    yield
    if kept is not None:
        os.environ["ORIGO_HOME"] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Judge each back end of `needs(…)` before the first fixture is made."""
    for marker in item.iter_markers("needs"):
        for backend in marker.args:
            backends.judge(backend, fail=pytest.fail, skip=pytest.skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leave the counts in the file that `tests/run` named."""
    target = os.environ.get("ORIGO_TEST_COUNTS")
    if target:
        stats = terminalreporter.stats
        bad = len(stats.get("failed", [])) + len(stats.get("error", []))
        counts = {"passed": len(stats.get("passed", [])), "failed": bad, "skipped": len(stats.get("skipped", []))}
        pathlib.Path(target).write_text(json.dumps(counts))
