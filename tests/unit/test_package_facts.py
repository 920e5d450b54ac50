"""What the Debian package says of itself follows from the project's own files."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from appliance.deb import control, layout, licences, manual, sources
from origo import VERSION
from origo.__main__ import cli

WORKED_ON = "# Changelog\n\n## Unreleased\n\n- One thing that `somebody` sees.\n- Another.\n"
RELEASED = f"# Changelog\n\n## {VERSION}\n\n- One thing.\n\n## 0.0.1\n\n- An old thing.\n"


def newer(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", other], check=False).returncode == 0


def test_a_package_of_a_later_commit_is_an_upgrade_and_the_release_one_of_all() -> None:
    early, late = sources.version(WORKED_ON, 1_800_000_000), sources.version(WORKED_ON, 1_800_000_001)
    release = sources.version(RELEASED, 0)
    assert newer(late, early)
    assert newer(release, late)
    assert release == VERSION


def test_the_packages_changelog_has_the_newest_part_in_debians_form() -> None:
    told = control.history(RELEASED, VERSION, 1_800_000_000)
    parsed = subprocess.run(["dpkg-parsechangelog", "-l-"], input=told, capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")
    assert f"Version: {VERSION}" in parsed.stdout
    assert "One thing." in told
    assert "old thing" not in told


def test_what_runs_is_depended_on_and_what_only_builds_is_not() -> None:
    depends, recommends = control.relations(Path("/"), "libc6 (>= 2.36), libvirt0 (>= 11)\n")
    assert {"nginx", "dnsmasq-base", "libvirt-daemon-system", "qemu-system-x86", "mmdebstrap", "rsync"} <= set(depends)
    assert {"libc6 (>= 2.36)", "libvirt0 (>= 11)", "python3 (<< 3.14~)"} <= set(depends)
    assert not {"gcc", "libvirt-dev", "python3-venv", "zfsutils-linux", "coreutils"} & set(depends)
    assert recommends == ["zfsutils-linux"]


def test_the_man_page_names_every_command() -> None:
    page = manual.page(VERSION, 0)
    assert [name for name in cli.read_all() if f"origo {name}".replace("-", "\\-") not in page] == []


def test_no_word_of_a_help_text_commands_troff() -> None:
    page = manual.page(VERSION, 0)
    allowed = {".TH", ".SH", ".SS", ".TP", ".B", ".I", ".RI", ".BR", ".br"}
    assert {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))} <= allowed


def test_each_shell_finds_its_completion() -> None:
    found = manual.completions()
    assert sorted(found) == sorted(manual.PLACES.values())
    assert all("_ORIGO_COMPLETE" in script for script in found.values())


def test_a_librarys_own_licence_is_in_the_copyright_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing/__init__.py", "")
        wheel.writestr("thing-1.0.dist-info/METADATA", "Name: thing\nVersion: 1.0\nLicense-Expression: MIT\n")
        wheel.writestr("thing-1.0.dist-info/licenses/LICENSE", "Copyright (c) 2020 Somebody\n\nDo as you like.\n")
    told = licences.text(tmp_path)
    assert "site-packages/thing/*\nCopyright: Copyright (c) 2020 Somebody\nLicense: Expat\n" in told
    assert "\n .\n Do as you like.\n" in told


def test_a_unit_that_works_in_the_home_waits_for_the_homes_own_disk() -> None:
    units = {path.name: path.read_text() for path in (layout.ROOT / "appliance/units").iterdir()}
    at_home = {name: text for name, text in units.items() if "=/var/lib/origo" in text or " /var/lib/origo" in text}
    assert {"origo.service", "origo-firewall.service"} <= set(at_home)
    assert [name for name, text in at_home.items() if "\nRequiresMountsFor=/var/lib/origo\n" not in text] == []


def test_what_comes_before_file_systems_or_the_network_does_not_wait_for_what_waits_for_them() -> None:
    units = {path.name: path.read_text() for path in (layout.ROOT / "appliance/units").glob("*.service")}
    early = {name: text for name, text in units.items() if re.search(r"^Before=.*(zfs-import|network-pre)", text, re.M)}
    assert {"origo-zfs-cache.service", "origo-firewall.service"} <= set(early)
    assert [name for name, text in early.items() if "\nDefaultDependencies=no\n" not in text] == []


@pytest.mark.parametrize("script", layout.SCRIPTS)
def test_a_maintainer_script_is_right_for_the_shell(script: str) -> None:
    ended = subprocess.run(["dash", "-n", layout.HERE / script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("status", [0, 1])
def test_removing_the_package_ends_its_exports_whether_or_not_the_server_goes_along(
    status: int, tmp_path: Path
) -> None:
    exports = tmp_path / "etc/exports.d/origo.exports"
    server = tmp_path / "exportfs"
    server.write_text(f'#!/bin/sh\n[ -e {exports} ] || echo "$*" >>{tmp_path}/asked\nexit {status}\n')
    server.chmod(0o755)
    for folder in ("etc/exports.d", "usr/lib/origo/former"):
        (tmp_path / folder).mkdir(parents=True)
    exports.write_text("/pool 192.0.2.7(rw,no_root_squash)\n")
    script = re.sub(r"(?<=[\s\"])/(etc|usr|run|var)/", rf"{tmp_path}/\1/", (layout.HERE / "postrm").read_text())
    world = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ended = subprocess.run(["dash", "-c", script, "postrm", "remove"], env=world, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (tmp_path / "asked").read_text() == "-ra\n"
