"""Debian packages come in quietly: in a fresh Debian nothing is started, nothing enabled, nothing put aside."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = [pytest.mark.needs("mmdebstrap", "slirp4netns"), pytest.mark.timeout(600)]

LINKS = ("find", "/etc/systemd", "/etc/rc2.d", "/etc/rc3.d", "-type", "l", "!", "-name", "K*")


class Fresh:
    """A Debian that has had nothing installed, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        argv = ["chroot", str(self.folder), *command]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=check, **options)

    def packages(self, *groups: str) -> subprocess.CompletedProcess[str]:
        """Run appliance/packages in it."""
        return self.run("/src/appliance/packages", *groups, check=False)

    def links(self) -> set[str]:
        """What init and systemd would start."""
        return set(self.run(*LINKS).stdout.splitlines())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    folder = tmp_path_factory.mktemp("fresh") / "root"
    suite = subprocess.run(
        ["sh", "-c", '. /etc/os-release; echo "$VERSION_CODENAME"'], capture_output=True, text=True, check=True
    ).stdout.strip()
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--include=systemd-sysv,ca-certificates",
        suite,
        str(folder),
    ]
    subprocess.run(command, check=True)
    source = folder / "src" / "appliance"
    source.mkdir(parents=True)
    shutil.copy(ROOT / "appliance" / "packages", source)
    (source / "base.toml").write_text('# nothing\n[front]\npackages = [ # the web server\n    "nginx-light",\n]\n')
    for name, wants in (("one", '["libxml2", "no-such-package-anywhere"]'), ("two", "[]")):
        (folder / "src" / "plugins" / name).mkdir(parents=True)
        (folder / "src" / "plugins" / name / "plugin.toml").write_text(f'name = "{name}"\npackages = {wants}\n')
    shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")
    subprocess.run(["mount", "--rbind", "/dev", folder / "dev"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", folder / "proc"], check=True)
    yield Fresh(folder)
    subprocess.run(["umount", "-l", folder / "dev", folder / "proc"], check=True)


@pytest.fixture(scope="module")
def installed(fresh: Fresh) -> tuple[subprocess.CompletedProcess[str], set[str], set[str]]:
    """How installing nginx went, and what would be started before and after."""
    before = fresh.links()
    ended = fresh.packages("front")
    return ended, before, fresh.links()


def test_a_package_is_installed_and_said(
    fresh: Fresh, installed: tuple[subprocess.CompletedProcess[str], set[str], set[str]]
) -> None:
    ended, _, _ = installed
    assert ended.returncode == 0, ended.stderr
    assert "packages: installed nginx-light - with what they depend on" in ended.stderr
    kept = fresh.run("cat", "/var/lib/origo-packages").stdout.split()
    assert {"nginx-light", "nginx-common"} <= set(kept)


def test_its_service_is_neither_started_nor_enabled_nor_would_be_by_an_upgrade(
    fresh: Fresh, installed: tuple[subprocess.CompletedProcess[str], set[str], set[str]]
) -> None:
    _, before, after = installed
    assert after == before
    assert fresh.run("systemctl", "--root=/", "is-enabled", "nginx", check=False).stdout.strip() == "disabled"
    assert [path for path in Path("/proc").glob("[0-9]*/root") if path.readlink() == fresh.folder] == []
    fresh.run("apt-get", "-q", "-y", "install", "--reinstall", "nginx-common")
    assert fresh.links() == before


def test_nothing_of_the_machine_was_put_aside(
    fresh: Fresh, installed: tuple[subprocess.CompletedProcess[str], set[str], set[str]]
) -> None:
    assert installed[0].returncode == 0
    assert not (fresh.folder / "usr/sbin/policy-rc.d").exists()
    assert fresh.run("dpkg", "--verify", "init-system-helpers", "systemd").stdout == ""
    assert list((fresh.folder / "tmp").glob("origo-packages-*")) == []


def test_a_second_time_asks_nothing_of_apt(
    fresh: Fresh, installed: tuple[subprocess.CompletedProcess[str], set[str], set[str]]
) -> None:
    again = fresh.packages("front")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_what_a_plugin_needs_and_this_debian_lacks_is_left_out_with_a_sentence(
    fresh: Fresh, installed: tuple[subprocess.CompletedProcess[str], set[str], set[str]]
) -> None:
    for _ in range(2):
        ended = fresh.packages("front", "plugins")
        assert ended.returncode == 0, ended.stderr
        assert "left out no-such-package-anywhere: this Debian does not have it" in ended.stderr
    assert "libxml2" in fresh.run("cat", "/var/lib/origo-packages").stdout


def test_what_is_needed_and_cannot_be_had_is_an_error(fresh: Fresh) -> None:
    ended = fresh.packages("one")
    assert ended.returncode == 1
    assert "no-such-package-anywhere" in ended.stderr


def test_an_unknown_group_is_refused(fresh: Fresh) -> None:
    ended = fresh.packages("nonsense")
    assert (ended.returncode, "cannot find the group nonsense" in ended.stderr) == (2, True)


def test_an_ordinary_user_is_told_what_is_missing(fresh: Fresh) -> None:
    ended = fresh.run("setpriv", "--reuid=65534", "/src/appliance/packages", "one", check=False)
    assert ended.returncode == 1
    assert "cannot install packages as an ordinary user" in ended.stderr
    assert "no-such-package-anywhere" in ended.stderr
