"""Every kind of operation is put to the proof, and the page in docs/reference says what came of it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from origo.services import kinds
from origo.testing import matrix
from origo.testing.proof import Proof, Scenario, prove
from tests.functional.scenarios import SCENARIOS

PAGE = Path(__file__).parents[2] / "docs/reference/operations.md"
REAL_PAGE = PAGE.with_name("operations-real.md")


@pytest.mark.timeout(500)  # hundreds of forks, on a machine that may be busy
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_wherever_it_is_disturbed_all_or_nothing_of_it_is_left(scenario: Scenario, tmp_path: Path) -> None:
    proof = prove(scenario, tmp_path / "world")
    assert {trial.ended for trial in proof.trials} <= {"done", "undone", "never begun"}
    written = PAGE.read_text().split("\n## ")
    assert matrix.section(proof).removeprefix("## ").strip() in [part.strip() for part in written], (
        f"{PAGE} is old: run {Path(__file__).name} --regen {scenario.title}"
    )


def test_every_kind_has_a_scenario() -> None:
    proven = {scenario.title.partition(":")[0] for scenario in SCENARIOS}
    assert proven == {kind.kind for kind in kinds.ALL}


def test_the_page_of_the_real_drivers_says_of_each_kind_what_the_page_of_all_says() -> None:
    """It is compared with the real work where that is done; old words in it are seen here, in a moment."""
    real, all_kinds = (matrix.sections(page.read_text()) for page in (REAL_PAGE, PAGE))
    said = {title: text.split("\n")[2] for title, text in real.items()}
    assert said == {title: all_kinds[title].split("\n")[2] for title in real}


def regenerate(titles: list[str]) -> None:
    """Write the page again: the sections of these scenarios, or all."""
    old = PAGE.read_text() if PAGE.exists() else ""
    kept = matrix.sections(old) if titles else {}
    proofs: list[Proof] = []
    for scenario in SCENARIOS:
        if not titles or scenario.title in titles:
            folder = Path(tempfile.mkdtemp(prefix="operations-"))
            try:
                proofs.append(prove(scenario, folder / "world"))
            finally:
                shutil.rmtree(folder)
            print(scenario.title, len(proofs[-1].trials))
    known = {scenario.title for scenario in SCENARIOS}
    fresh = {proof.title: matrix.section(proof) for proof in proofs}
    PAGE.write_text(matrix.page({title: text for title, text in (kept | fresh).items() if title in known}))


if __name__ == "__main__":
    if sys.argv[1:2] != ["--regen"]:
        sys.exit("usage: test_operations_matrix.py --regen [CASE…]")
    regenerate(sys.argv[2:])
