"""What the package's scripts leave of an upgrade: whom they blame for an end, and what they tell of it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from appliance.deb import layout

STUB = "#!/bin/sh\n{}\n"


class World:
    """A machine below a folder, on which version 1 runs as run `one`, and what its own programs say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.upgrade = root / "var/lib/origo/upgrade"
        self.program = root / "usr/lib/origo"
        (root / "bin").mkdir()
        (root / "usr/share/origo").mkdir(parents=True)
        (root / "usr/share/origo/appliance.toml").touch()
        (root / "var/lib/origo/keys").mkdir(parents=True)
        (root / "var/lib/origo/.origo-home").touch()
        (self.program / "venv/bin").mkdir(parents=True)
        (self.program / "venv/bin/origo").write_text("#!/usr/lib/origo/venv/bin/python3\n")
        (self.program / "venv/bin/python3").touch(mode=0o755)
        (self.program / "current").symlink_to("venv")
        self.says("agetty", "exit 0")
        self.says("journalctl", "exit 0")
        self.says("dpkg-query", "echo 2")
        self.runs("one")

    def says(self, program: str, script: str) -> None:
        (self.root / "bin" / program).write_text(STUB.format(script))
        (self.root / "bin" / program).chmod(0o755)

    def runs(self, invocation: str) -> None:
        self.says("systemctl", f"echo {invocation}")

    def call(self, script: str, *words: str, **environment: str) -> None:
        ended = self._run(script, *words, **environment)
        assert ended.returncode == 0, ended.stderr

    def refusal(self, script: str, *words: str) -> str:
        ended = self._run(script, *words)
        assert ended.returncode == 1
        return ended.stderr

    def _run(self, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        text = re.sub(r"(?<=[\s\"=|])/(etc|usr|run|var)/", rf"{self.root}/\1/", (layout.HERE / script).read_text())
        world = {"PATH": f"{self.root}/bin:/usr/bin:/bin", **environment}
        command = ["dash", "-c", text, script, *words]
        return subprocess.run(command, env=world, capture_output=True, text=True, check=False)

    def ends(self, invocation: str, result: str = "timeout") -> None:
        self.call("go-back", SERVICE_RESULT=result, EXIT_STATUS="1", INVOCATION_ID=invocation)

    def goes_back(self) -> bool:
        return (self.program / "current").readlink() == Path("former")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_version_that_hangs_goes_back(world: World) -> None:
    world.call("preinst", "upgrade", "1")
    world.ends("one")
    assert not world.goes_back(), "it is the old one that ended"
    world.ends("two")
    assert world.goes_back() and (world.upgrade / "failed").read_text() == "2\n1\ntimeout\n"


def test_the_end_of_a_version_that_hung_is_not_the_failure_of_the_next(world: World) -> None:
    world.call("preinst", "upgrade", "1")
    world.ends("one", "success")
    world.runs("two")
    world.call("preinst", "upgrade", "2")
    world.ends("two")
    assert not world.goes_back()
    assert (world.program / "former/version").read_text() == "1\n"
    world.ends("three")
    assert world.goes_back()


def test_removing_a_version_on_trial_is_not_its_failure(world: World) -> None:
    (world.root / "run/systemd/system").mkdir(parents=True)
    world.says("deb-systemd-invoke", "exit 0")
    world.says("nft", "exit 0")
    world.call("preinst", "upgrade", "1")
    world.ends("one", "success")
    world.says("systemctl", "exit 1")
    world.call("prerm", "remove")
    world.ends("two")
    assert not world.goes_back()


def test_it_is_not_removed_while_servers_run_that_nobody_has_shut_down(world: World) -> None:
    (world.root / "run/systemd/system").mkdir(parents=True)
    world.call("preinst", "upgrade", "1")
    world.says("sleep", "exit 0")
    world.says("deb-systemd-invoke", f"touch {world.root}/stopped")
    world.says("nft", "exit 0")
    told, scopes = world.root / "told", world.root / "scopes"
    told.write_text("active")
    scopes.write_text("one.scope\ntwo.scope\n")
    kill = f"echo inactive >{told}; sed -i 1d {scopes}"
    world.says("systemctl", f'case "$1" in show) cat {told};; kill) {kill};; list-units) cat {scopes};; esac')
    said = world.refusal("prerm", "remove")
    assert "1 servers still run" in said and "virsh shutdown" in said
    assert told.read_text() == "inactive\n" and not (world.root / "stopped").exists()
    scopes.write_text("")
    world.call("prerm", "remove")
    assert (world.root / "stopped").exists()


def test_a_further_upgrade_does_not_hide_the_copy_of_the_database_from_before_the_first(world: World) -> None:
    world.call("preinst", "upgrade", "1")
    os.utime(world.upgrade / "from", ns=(10**18, 10**18 + 1))
    copy = world.root / "var/lib/origo/origo.db.before-0002"
    copy.write_text("before")
    os.utime(copy, ns=(10**18, 10**18 + 2))
    world.runs("two")
    world.call("preinst", "upgrade", "2")
    assert (world.upgrade / "from").read_text() == "one\ntwo\n"
    world.ends("three")
    assert (world.root / "var/lib/origo/restore/origo.db").read_text() == "before"


def test_the_report_of_a_failure_is_there_whole_or_not_at_all(world: World) -> None:
    world.call("preinst", "upgrade", "1")
    world.says("sync", f'case "$*" in *failed.new) [ ! -e {world.upgrade}/failed ] && cp failed.new seen;; esac')
    world.ends("two")
    assert (world.upgrade / "seen").read_text() == (world.upgrade / "failed").read_text() == "2\n1\ntimeout\n"
    assert not (world.upgrade / "failed.new").exists()


def test_removing_the_package_forgets_what_became_of_upgrades_and_keeps_the_rest(world: World) -> None:
    world.call("preinst", "upgrade", "1")
    world.ends("two")
    world.says("exportfs", "exit 0")
    world.call("postrm", "remove")
    assert not world.upgrade.exists() and not (world.program / "former").exists()
    assert (world.root / "var/lib/origo/keys").is_dir()
