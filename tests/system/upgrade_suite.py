"""Packages, of which newer ones are broken, installed one over the other: `tests/under-systemd` runs this.

They have the package's own scripts, units and links, round an environment of this machine's Python.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.deb import layout
from tests.house.source import ROOT
from tests.system.daemon_world import SYSTEMD, origo, settled, shown, systemctl, wait_until

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.timeout(180)]

HOME = Path("/var/lib/origo")
PROGRAM = Path("/usr/lib/origo")
WORK = Path("/var/tmp/origo-upgrades")
CONTROL = """\
Package: origo
Version: {version}
Architecture: amd64
Maintainer: Nobody <nobody@origo.invalid>
Description: a package of a test
"""
CHANGED = """
def _second(database):
    database.execute_sql("CREATE TABLE second (id INTEGER)")

MIGRATIONS = (*MIGRATIONS, ("0002-second", _second))
migrate.__defaults__ = (MIGRATIONS,)
"""
HANGS = """
def migrate(changes=MIGRATIONS, _migrate=migrate):
    _migrate(changes)
    time.sleep(10**6)
"""
FILLS = f"""
import contextlib
if not os.path.exists("{HOME}/filler"):
    with open("{HOME}/filler", "ab", 0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
"""
STAYS = """
def _stay(self, **_):
    time.sleep(10**6)

App.stop = _stay
"""
MISSES = "import nothing_that_is_there\n"
DATABASE = "model/migrations/__init__.py"
BROKEN = {
    "cannot be imported": ("app.py", MISSES, "No module named 'nothing_that_is_there'"),
    "cannot be imported on a full disk": (DATABASE, FILLS + MISSES, "No module named 'nothing_that_is_there'"),
    "cannot change the database": (DATABASE, CHANGED.replace("(id INTEGER)", ""), "OperationalError"),
    "ends again and again": (DATABASE, f"{CHANGED}\nimport threading\nthreading.Timer(8, os._exit, [3]).start()\n", ""),
    "never answers": (DATABASE, CHANGED + HANGS, "it did not answer in time"),
}
"""What is added to which module of a newer version, and what the issue says of it."""


def package(version: str, module: str = "", addition: str = "") -> Path:
    """A package whose program is this checkout, with that addition at the end of a module."""
    root = WORK / version / "root"
    shutil.rmtree(root.parent, ignore_errors=True)
    venv = root / "usr/lib/origo/venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    site = next(venv.glob("lib/python3*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    left_out = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(ROOT / "origo", site / "origo", ignore=left_out)
    shutil.copytree(ROOT / "plugins", site / "origo_plugins", ignore=left_out)
    app = (site / "origo/app.py").read_text().replace("MINUTE = 60.0", "MINUTE = 20.0")
    (site / "origo/app.py").write_text(app)
    with (site / "origo" / (module or "app.py")).open("a") as file:
        file.write(addition)
    script = venv / "bin/origo"
    script.write_text(f"#!{PROGRAM}/venv/bin/python3\nfrom origo.__main__ import main\n\nmain()\n")
    script.chmod(0o755)
    layout.place_program(root)
    unit = root / "usr/lib/systemd/system/origo.service"
    text = unit.read_text().replace("TimeoutStartSec=15min", "TimeoutStartSec=15s").replace("4min", "5s")
    path = f"Environment=PYTHONDONTWRITEBYTECODE=1 PATH={os.environ['PATH']}:/usr/sbin:/sbin"
    unit.write_text(text.replace("Restart=", f"{path}\nRestart=", 1))
    layout.put_scripts(root)
    (root / "DEBIAN/control").write_text(CONTROL.format(version=version))
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, WORK / f"{version}.deb"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return WORK / f"{version}.deb"


def install(version: str, module: str = "", addition: str = "") -> str:
    return put_in(package(version, module, addition))


def put_in(made: Path) -> str:
    command = ["dpkg", "-i", made]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    state = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", "origo"], capture_output=True, text=True, check=True)
    assert (ended.returncode, state.stdout) == (0, "install ok installed"), ended.stderr
    return ended.stderr


def issues() -> list[str]:
    return [one["sentence"] for one in json.loads(origo("issues", "list", "--json"))]


def told(version: str, why: str, former: str = "1") -> bool:
    """Whether the former program runs again, and says so."""
    if (PROGRAM / "current").readlink() != Path("former") or (HOME / "upgrade/from").exists():
        return False
    with contextlib.suppress(AssertionError):
        begin = f"Origo {version} does not run, and {former} does again: "
        return any(one.startswith(begin) and why in one for one in issues())
    return False


def engine() -> str:
    return str(json.loads(origo("engine", "show", "--json"))["id"])


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[str]:
    """The first version, whose home has a small disk of its own, and a server in a scope of its own that nothing here
    may touch; its process."""
    HOME.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=0711", "tmpfs", HOME], check=True)
    Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
    os.environ["ORIGO_HOME"] = str(HOME)
    install("1")
    command = ["systemd-run", "-q", "--scope", "--unit=machine-qemu-one", "sleep", "3000"]
    running = subprocess.Popen(command)
    wait_until(settled)
    wait_until(lambda: shown("machine-qemu-one.scope", "ActiveState") == "active")
    yield shown("machine-qemu-one.scope", "InvocationID")
    subprocess.run(["systemctl", "stop", "origo"], check=False)  # it is gone where the last test removed it
    running.kill()
    running.wait()


@pytest.mark.parametrize("how", BROKEN)
def test_a_version_that_does_not_run_makes_room_for_the_one_before(how: str, server: str) -> None:
    before, version = engine(), f"2.{list(BROKEN).index(how)}"
    module, addition, why = BROKEN[how]
    said = install(version, module, addition)
    assert ("takes its place again by itself" in said) == (how != "ends again and again")
    wait_until(lambda: told(version, why), 100)
    assert engine() == before
    assert shown("machine-qemu-one.scope", "InvocationID") == server
    assert (HOME / "upgrade/log").stat().st_size
    (HOME / "filler").unlink(missing_ok=True)


def test_a_version_that_runs_is_taken_even_after_one_that_did_not(server: str) -> None:
    before = engine()
    install("3")
    wait_until(settled)
    assert str((PROGRAM / "current").readlink()) == "venv" and engine() == before
    assert not any("does not run" in one for one in issues())
    wait_until(lambda: not (HOME / "upgrade/from").exists())
    assert shown("machine-qemu-one.scope", "InvocationID") == server


def test_what_ends_later_is_started_again_and_nothing_goes_back() -> None:
    for _ in range(3):
        run = shown("origo", "InvocationID")
        systemctl("kill", "--kill-whom=main", "--signal=KILL", "origo")
        wait_until(lambda run=run: shown("origo", "InvocationID") != run and settled())
    assert str((PROGRAM / "current").readlink()) == "venv"


def proven() -> bool:
    return settled() and not (HOME / "upgrade/from").exists()


def test_a_version_that_hangs_is_not_held_against_the_next_one(server: str) -> None:
    before, first, second = engine(), package("3.1", "app.py", STAYS), package("3.2")
    put_in(first)
    assert "takes its place again" not in put_in(second)
    assert len((HOME / "upgrade/from").read_text().split()) == 2
    wait_until(proven)
    assert str((PROGRAM / "current").readlink()) == "venv" and engine() == before
    assert not any("does not run" in one for one in issues())
    assert shown("machine-qemu-one.scope", "InvocationID") == server


def test_an_older_version_runs_on_a_database_that_was_not_changed(server: str) -> None:
    before = engine()
    install("2.9")
    wait_until(settled)
    assert str((PROGRAM / "current").readlink()) == "venv" and engine() == before
    assert shown("machine-qemu-one.scope", "InvocationID") == server


def test_an_older_version_makes_room_for_the_newer_one_that_changed_the_database(server: str) -> None:
    before = engine()
    install("4", DATABASE, CHANGED)
    wait_until(proven)
    replaced = sorted(HOME.glob("replaced-*"))
    with contextlib.closing(sqlite3.connect(HOME / "origo.db")) as database, database:
        database.execute("INSERT INTO second VALUES (7)")
    assert "takes its place again by itself" in install("3.9")
    wait_until(lambda: told("3.9", "newer version of Origo", "4"), 100)
    with contextlib.closing(sqlite3.connect(HOME / "origo.db")) as database:
        assert database.execute("SELECT id FROM second").fetchall() == [(7,)], "what was written since is there"
    assert engine() == before and sorted(HOME.glob("replaced-*")) == replaced
    assert shown("machine-qemu-one.scope", "InvocationID") == server


def test_no_new_engine_is_made_where_the_disk_of_its_home_is_missing(server: str) -> None:
    before, disk, unit = engine(), WORK / "disk", SYSTEMD / "var-lib-origo.mount"
    disk.mkdir()
    systemctl("stop", "origo.slice")
    subprocess.run(["mount", "--bind", HOME, disk], check=True)
    subprocess.run(["umount", HOME], check=True)
    unit.write_text(f"[Mount]\nWhat=/nowhere\nWhere={HOME}\nType=ext4\n")
    systemctl("daemon-reload")
    assert subprocess.run(["systemctl", "start", "origo"], check=False).returncode != 0
    assert list(HOME.iterdir()) == []
    unit.unlink()
    systemctl("daemon-reload")
    subprocess.run(["mount", "--bind", disk, HOME], check=True)
    systemctl("start", "origo")
    assert engine() == before
    assert shown("machine-qemu-one.scope", "InvocationID") == server


def test_after_a_purge_that_left_a_pool_on_its_own_disk_a_new_engine_starts_beside_it() -> None:
    before, pool = engine(), HOME / "pools/1"
    pool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", pool], check=True)
    (pool / "witness").touch()
    answer = "origo origo/purge-data boolean true"
    subprocess.run(["debconf-set-selections"], input=answer, text=True, check=True)
    subprocess.run(["dpkg", "-P", "origo"], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=True)
    assert [*HOME.rglob("*")] == [HOME / "pools", pool, pool / "witness"]
    put_in(package("5"))
    wait_until(settled)
    assert engine() != before and (pool / "witness").exists()


def test_removing_the_package_leaves_nothing_of_any_version(server: str) -> None:
    subprocess.run(["dpkg", "-r", "origo"], check=True, timeout=120)
    assert not PROGRAM.exists() and (HOME / "origo.db").exists() and not (HOME / "upgrade").exists()
