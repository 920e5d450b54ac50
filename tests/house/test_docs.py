"""The documentation says what the program does: generated pages are up to date, links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT, files

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
DECISION = re.compile(r"^# \d{4} .+\n\nStatus: \w+")


def test_generated_pages_are_up_to_date() -> None:
    ended = subprocess.run([ROOT / "docs" / "generate", "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


PAGES = [path for path in files() if path.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    targets = [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_has_its_four_parts_on_one_page(page: Path) -> None:
    text = page.read_text()
    assert DECISION.match(text), "the first lines are `# NNNN Title`, an empty one, `Status: …`"
    for part in ("## Context", "## Decision", "## Consequences"):
        assert part in text
    assert len(text.splitlines()) <= 60
