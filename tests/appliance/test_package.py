"""The package on a Debian 13 machine: what apt installs runs, what apt removes leaves everything that people keep."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.deb import tree
from tests.appliance.machine import Machine
from tests.appliance.package import MOMENT, answers, build, put_in
from tests.appliance.room import Room
from tests.house.source import IGNORED, ROOT

MOST_BYTES = 60_000_000


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("package"), MOMENT)


@pytest.fixture(scope="module")
def machine(module_room: Room, package: Path) -> Iterator[Machine]:
    made = module_room.machine()
    made.boot(timeout=600)
    put_in(made, package)
    yield made


def test_the_same_sources_give_the_same_bytes_wherever_they_lie(package: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*IGNORED))
    again = build(copy, tmp_path / "out", MOMENT)
    assert again.read_bytes() == package.read_bytes()


def test_the_package_is_small(package: Path) -> None:
    assert package.stat().st_size <= MOST_BYTES


def test_lintian_finds_no_error(package: Path, tmp_path: Path) -> None:
    shutil.copy(package, tmp_path)
    command = ["lintian", "--allow-root", "--fail-on=none", package.name]
    said = tree.run(tree.ready(), tmp_path, command, epoch=MOMENT).splitlines()
    assert [line for line in said if line.startswith("E:")] == []


def test_no_mirror_and_no_folder_of_the_build_is_named_in_it(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-R", package, tmp_path], check=True)
    sources = "".join(path.read_text() for path in Path("/var/cache/origo/deb").glob("*.sources"))
    told = {*re.findall(r"://([^/\s]+)", sources), str(ROOT), "/var/tmp/origo-deb-"}
    wrong = [
        path for path in tmp_path.rglob("*") if path.is_file() for one in told if one.encode() in path.read_bytes()
    ]
    assert told and wrong == []


def test_the_engine_runs_after_the_installation(machine: Machine) -> None:
    assert machine.run("systemctl is-active origo").strip() == "active"
    assert machine.run("systemctl is-enabled origo").strip() == "enabled"
    assert answers(machine)["name"] == "origo"


def test_the_link_to_set_it_up_is_on_the_console_and_in_the_journal(machine: Machine) -> None:
    assert machine.expect(r"https://[0-9.]+/setup/\S+")
    assert "/setup/" in machine.run("journalctl -u origo")


def test_the_front_answers_on_the_port_of_https(machine: Machine) -> None:
    command = "curl -skS --resolve origo.localhost:443:127.0.0.1 -o /dev/null -w %{http_code} https://origo.localhost/"
    assert machine.wait(lambda: machine.attempt(command).output in ("200", "302", "303"), "a page over https")


def test_the_welcome_page_of_debians_nginx_has_made_room(machine: Machine) -> None:
    assert machine.attempt("systemctl is-enabled nginx").output.strip() == "disabled"
    assert machine.attempt("systemctl is-active nginx").output.strip() == "inactive"


def test_the_manual_and_the_completion_are_there(machine: Machine) -> None:
    assert "origo servers" in machine.run("zcat /usr/share/man/man1/origo.1.gz")
    completed = "source /usr/share/bash-completion/completions/origo; COMP_WORDS=(origo st); COMP_CWORD=1"
    completed += "; _origo_completion origo; echo ${COMPREPLY[*]}"
    assert "stacks" in machine.run(completed)


def test_nothing_is_written_below_the_program(machine: Machine) -> None:
    machine.run("origo --help")
    assert machine.run("dpkg --verify origo") == ""
    assert machine.run("comm -13 <(dpkg -L origo | sort) <(find /usr/lib/origo | sort)") == ""


def test_an_upgrade_changes_the_program_and_not_the_engine(machine: Machine, tmp_path: Path) -> None:
    before, daemon = answers(machine), machine.run("systemctl show -P MainPID origo")
    put_in(machine, build(ROOT, tmp_path, MOMENT + 1))
    assert answers(machine) == before
    assert machine.run("systemctl show -P MainPID origo") != daemon


def test_removed_and_installed_again_it_is_the_same_engine(machine: Machine, package: Path) -> None:
    machine.run("echo kept >/var/lib/origo/witness")
    before = answers(machine)
    machine.run("apt-get remove -y origo", timeout=600)
    assert machine.attempt("systemctl is-failed origo").output.strip() == "inactive"
    assert machine.run("systemctl list-units --plain --no-legend 'origo*' | grep -v origo-runner || true") == ""
    assert machine.attempt(["pgrep", "-f", "/usr/lib/origo"]).status == 1
    put_in(machine, package)
    assert answers(machine) == before
    assert machine.run("cat /var/lib/origo/witness") == "kept\n"


def test_purging_keeps_everything_unless_somebody_says_otherwise(machine: Machine, package: Path) -> None:
    before = answers(machine)
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y origo", timeout=600)
    put_in(machine, package)
    assert answers(machine) == before
    machine.run("echo origo origo/purge-data boolean true | debconf-set-selections")
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y origo", timeout=600)
    assert machine.attempt("test -e /var/lib/origo").status == 1
