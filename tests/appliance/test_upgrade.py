"""The page on upgrading, followed on a machine: also where the newer version does not run, and servers never notice."""

import shutil
from pathlib import Path

from tests.appliance.package import MOMENT, answers, build, put_in
from tests.appliance.site import Site
from tests.house.source import IGNORED, ROOT


def guest(site: Site) -> str:
    """The process of the stack's server."""
    return site.machine.run("pgrep -f '[q]emu-system.*guest='").strip()


def test_a_version_that_does_not_run_makes_room_for_the_one_before(site: Site, tmp_path: Path) -> None:
    machine, before, server = site.machine, answers(site.machine), guest(site)
    copy = tmp_path / "broken"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*IGNORED))
    with (copy / "origo/app.py").open("a") as app:
        app.write("\nimport nothing_that_is_there\n")
    machine.run("origo engine backup")
    assert "takes its place again by itself" in put_in(machine, build(copy, tmp_path / "out", MOMENT + 100))
    assert machine.run("dpkg-query -W -f '${Status}' origo") == "install ok installed"
    machine.wait(
        lambda: "nothing_that_is_there" in machine.attempt("origo issues list").output, "the issue", timeout=200
    )
    assert answers(machine) == before
    assert guest(site) == server
    assert "nothing_that_is_there" in machine.run("cat /var/lib/origo/upgrade/log")


def test_the_next_version_is_an_upgrade_as_ever(site: Site, tmp_path: Path) -> None:
    machine, before, server = site.machine, answers(site.machine), guest(site)
    put_in(machine, build(ROOT, tmp_path, MOMENT + 200))
    assert machine.run("readlink /usr/lib/origo/current") == "venv\n"
    assert answers(machine) == before and guest(site) == server
    machine.wait(lambda: "does not run" not in machine.run("origo issues list"), "the end of the issue", timeout=120)
