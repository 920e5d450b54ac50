"""The proofs of all kinds of operations as a page for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from origo.testing.killing import Direction, Way
from origo.testing.proof import Proof

HEAD = """\
# Operations

Every change that lasts is an operation: a list of steps that is journaled, survives a crash at any point, and is
undone when it fails. This page is made by `python -m tests.functional.test_operations_matrix --regen`, and a test
compares the two.

For each step it says how many points there are at which a test disturbed it, and how the operation ended each time; in
the end all rows, all files and all that the drivers made were exactly as after an undisturbed run (*done*), or exactly
as before (*undone*).

* **killed**: the daemon was ended by SIGKILL, and another one continued.
* **cancelled**: the same, and a person cancelled the operation before it was continued. Once the **commit point** is
  done there is no way back, and it is done all the same.
* **failed**: a call of a driver or a host, or the step itself, raised an error.
* **undo**: the same while the operation was being undone, after a failure at the end of the last step that can be.

Being taken up (written into the journal, then begun) is the line without a number.
"""

REAL_HEAD = """\
# Operations on the real drivers

The same proof as of [all kinds](operations.md), for some of them with a real hypervisor (libvirt and QEMU), real
bridges, rules and dnsmasq (net_iptables), and real disks. This page is made by
`appliance/private --egress -- env PYTHONPATH=. .venv/bin/python tests/system/test_operations_real.py --regen`, and a
test compares the two.

For each step it says how often the daemon was ended by SIGKILL, and how the operation ended once another daemon had
continued; in the end all rows and files, libvirt's domains and their guests, links, addresses, rules and programs were
exactly as after an undisturbed run (*done*), or exactly as before (*undone*).

* **around it**: killed right before the step, and when it had done everything but its entry in the journal.
* **amid it**: killed a moment after the middle one of its calls of a driver or a command had begun; what it had started
  went on without it, or was ended by the next daemon.
* **undo**: the same while the operation was being undone, after a failure at the end of the last step that can be.
"""

Columns = Sequence[tuple[str, Direction, Way]]

REAL_COLUMNS: Columns = (
    ("around it", "do", "kill"),
    ("amid it", "do", "amid"),
    ("around its undo", "undo", "kill"),
    ("amid its undo", "undo", "amid"),
)

COLUMNS: Columns = (
    ("killed", "do", "kill"),
    ("cancelled", "do", "cancel"),
    ("failed", "do", "fail"),
    ("undo killed", "undo", "kill"),
    ("undo failed", "undo", "fail"),
)


def page(sections: Mapping[str, str], head: str = HEAD) -> str:
    """The whole page of these sections, by title."""
    return "\n".join([head, *(sections[title] for title in sorted(sections))])


def sections(page: str) -> dict[str, str]:
    """The sections of a page that was made before, by title."""
    parts = page.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.strip()}\n" for part in parts}


def section(proof: Proof, columns: Columns = COLUMNS) -> str:
    """One case: its steps, and how often it was disturbed at each."""
    titles = " | ".join(title for title, _, _ in columns)
    summary = proof.summary + (" **There is no way back once it has begun.**" if proof.forward_only else "")
    lines = [f"## {proof.title}", "", summary, "", f"| step | {titles} |", f"|---{'|---' * len(columns)}|"]
    names = ["", *(_step(number, *step) for number, step in enumerate(proof.steps, 1))]
    untaken = all(trial.point.step >= 0 for trial in proof.trials)
    for index, name in list(enumerate(names, -1))[untaken:]:
        cells = (_cell(proof, index, direction, way) for _, direction, way in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _step(number: int, name: str, commit: bool) -> str:
    return f"{number}. {name}{' (**commit point**)' if commit else ''}"


def _cell(proof: Proof, step: int, direction: Direction, way: Way) -> str:
    ends = Counter(
        trial.ended
        for trial in proof.trials
        if trial.point.step == step and trial.point.direction == direction and trial.way == way
    )
    return ", ".join(f"{count} {ended}" for ended, count in sorted(ends.items())) or "–"
