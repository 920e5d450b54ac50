"""The daemon as the package's unit runs it, in a world where systemd is process 1: `tests/under-systemd` runs this."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import exposure
from tests.house.source import ROOT
from tests.system.daemon_world import ORIGO, SYSTEMD, UNITS, origo, pid, settled, shown, start, systemctl, wait_until

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.needs("libvirt"), pytest.mark.timeout(120)]

LINK = Path("/run/issue.d/origo.issue")
LIBVIRTD = Path("/usr/sbin/libvirtd")
NGINX = Path("/usr/sbin/nginx")
HOME = Path("/var/lib/origo-daemon")
KEPT = HOME / "run" / "firewall.nft"
TABLE = ("inet", "origo_firewall")
ARC = Path("/sys/module/zfs/parameters/zfs_arc_max")
RIGHTS = (0, 5, 6, 7, 10, 12, 13)
"""To change owners, end processes, become groups and users, take low ports, change networks, and speak raw."""


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    walled = SYSTEMD / "origo.service.d/firewall.conf"
    walled.parent.mkdir(parents=True)
    walled.write_text("[Service]\nEnvironment=ORIGO_FIREWALL=true\n")
    start(str(HOME))
    yield
    systemctl("stop", "origo")
    nft("delete", "table", *TABLE)


def nft(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["nft", *words], capture_output=True, text=True, check=False)


def said(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout


def closed() -> bool:
    """Whether the machine's firewall is there."""
    return "policy drop" in nft("list", "table", *TABLE).stdout


def page() -> bool:
    """Whether nginx shows the engine's page."""
    asked = ["curl", "-sk", "--unix-socket", HOME / "run/front-https.sock", "https://origo.localhost/login"]
    return "<!doctype html>" in subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def everything() -> dict[Path, tuple[float, int]]:
    """What is in the home: when it was changed last, and its size."""
    return {path: (path.stat().st_mtime, path.stat().st_size) for path in HOME.rglob("*")}


def test_it_is_started_once_its_api_answers() -> None:
    systemctl("restart", "origo")
    assert '"urls"' in origo("engine", "show", "--json")
    wait_until(settled)


def test_it_answers_before_the_machine_is_up_and_may_be_stopped_meanwhile() -> None:
    slow = SYSTEMD / "origo-machine.service.d/slow.conf"
    slow.parent.mkdir(exist_ok=True)
    slow.write_text("[Service]\nExecStartPre=sleep 40\n")
    systemctl("daemon-reload")
    systemctl("stop", "origo-machine")
    assert shown("origo", "ActiveState") == "inactive", "it ends with the machine"
    nft("delete", "table", *TABLE)
    systemctl("start", "origo")
    assert '"urls"' in origo("engine", "show", "--json")
    wait_until(closed, 20)
    assert shown("origo", "StatusText").startswith("waiting for the machine")
    began = time.monotonic()
    systemctl("restart", "origo")
    assert time.monotonic() - began < 20
    assert shown("origo-machine", "ActiveState") == "activating"
    wait_until(settled)
    assert shown("origo-machine", "ActiveState") == "active"
    slow.unlink()
    systemctl("daemon-reload")


def test_it_opens_no_home_before_all_file_systems_are_mounted() -> None:
    authority, late = HOME / "keys/front/authority.crt", SYSTEMD / "origo-home.target.d/late.conf"
    late.parent.mkdir(exist_ok=True)
    late.write_text("[Unit]\nWants=late.service\nAfter=late.service\n")
    mount = f"mount -t tmpfs -o mode=711 late {HOME}"
    (SYSTEMD / "late.service").write_text(f"[Service]\nType=oneshot\nExecStart=sleep 10\nExecStart={mount}\n")
    systemctl("daemon-reload")
    systemctl("stop", "origo", "origo-home.target")
    below = everything()
    before = authority.read_bytes()
    systemctl("start", "--no-block", "origo")
    wait_until(lambda: "file systems" in shown("origo", "StatusText"))
    systemctl("stop", "origo")
    assert shown("origo", "Result") == "success"
    systemctl("start", "origo")
    try:
        wait_until(settled)
        assert authority.read_bytes() != before
    finally:
        systemctl("stop", "origo", "origo-nginx")
        late.unlink()
        subprocess.run(["umount", "--lazy", HOME], check=True)
        systemctl("daemon-reload")
    assert everything() == below
    systemctl("start", "origo")
    wait_until(settled)
    assert authority.read_bytes() == before


def test_its_programs_are_units_and_outlive_a_restart() -> None:
    before, nginx = pid("origo"), pid("origo-nginx")
    systemctl("restart", "origo")
    wait_until(settled)
    assert pid("origo") != before and pid("origo-nginx") == nginx != 0


def test_a_program_comes_back_while_the_daemon_is_down() -> None:
    systemctl("stop", "origo")
    nginx = pid("origo-nginx")
    os.kill(nginx, signal.SIGKILL)
    wait_until(lambda: pid("origo-nginx") not in (0, nginx))
    nginx = pid("origo-nginx")
    systemctl("start", "origo")
    wait_until(settled)
    assert pid("origo-nginx") == nginx


def test_a_daemon_that_hangs_is_restarted_and_its_programs_do_not_notice() -> None:
    before, nginx = pid("origo"), pid("origo-nginx")
    assert before, "the daemon does not run"
    os.kill(before, signal.SIGSTOP)
    wait_until(lambda: pid("origo") not in (0, before))
    wait_until(settled)
    assert pid("origo-nginx") == nginx


def test_the_set_up_link_stays_over_a_restart_and_is_for_root_alone() -> None:
    text = LINK.read_text()
    assert re.search(r"https://\S+/setup\?ticket=\S+", text) and LINK.stat().st_mode & 0o777 == 0o600
    systemctl("restart", "origo")
    wait_until(settled)
    assert LINK.read_text() == text


def test_a_program_that_somebody_stopped_is_started_again() -> None:
    nginx = pid("origo-nginx")
    systemctl("stop", "origo-nginx")
    wait_until(lambda: pid("origo-nginx") not in (0, nginx))
    assert pid("origo-nginx") != nginx


def replace(program: Path) -> None:
    """Do what dpkg does at an update."""
    fresh = Path(shutil.copy2(program, f"{program}.dpkg-new"))
    fresh.rename(program)


def doctor(about: str) -> str:
    """What the doctor says of that, well or not."""
    found = subprocess.run([ORIGO, "doctor", "--json"], capture_output=True, text=True, check=False, timeout=120)
    (one,) = [one for one in json.loads(found.stdout) if one["about"] == about]
    return str(one["sentence"])


def test_a_program_that_an_update_replaced_is_started_anew_and_libvirt_is_an_issue() -> None:
    nginx = pid("origo-nginx")
    assert doctor("programs") == "all run what is installed"
    replace(NGINX)
    replace(LIBVIRTD)
    assert doctor("programs") == "libvirtd, nginx still run what an update has replaced: libvirtd, nginx"
    systemctl("restart", "origo")
    wait_until(settled)
    wait_until(lambda: pid("origo-nginx") not in (0, nginx))
    assert doctor("programs") == "libvirtd still runs what an update has replaced: libvirtd"
    assert "systemctl restart libvirtd" in origo("issues", "list")
    systemctl("restart", "libvirtd")
    systemctl("restart", "origo")
    wait_until(settled)
    assert doctor("programs") == "all run what is installed"
    assert "systemctl restart libvirtd" not in origo("issues", "list")


def test_a_program_has_of_roots_rights_only_those_it_needs_and_does_its_work() -> None:
    found = re.search(r"^CapBnd:\s+(\w+)$", Path(f"/proc/{pid('origo-nginx')}/status").read_text(), re.MULTILINE)
    assert found and int(found[1], 16) & ~sum(1 << right for right in RIGHTS) == 0
    systemctl("kill", "--kill-whom=main", "--signal=HUP", "origo-nginx")
    wait_until(page)
    nginx = pid("origo-nginx")
    os.kill(nginx, signal.SIGKILL)
    wait_until(lambda: pid("origo-nginx") not in (0, nginx) and page())


def test_no_unit_lies_more_open_than_is_written() -> None:
    units = said(exposure.LOADED)
    named = {"origo.service", "origo-nginx.service", "origo-machine.service", "origo-firewall.service"}
    assert named <= set(units.split())
    assert said(exposure.too_open(units)) == ""


def test_at_a_boot_the_firewall_is_there_before_the_network_and_any_server() -> None:
    systemctl("stop", "origo", "origo-firewall")
    nft("delete", "table", *TABLE)
    systemctl("start", "origo-firewall")
    assert closed() and shown("origo-firewall", "ActiveState") == "active"
    assert {"origo-machine.service", "network-pre.target"} <= set(shown("origo-firewall", "Before").split())
    systemctl("start", "origo")
    wait_until(settled)


def test_a_firewall_that_was_kept_wrong_keeps_no_daemon_from_starting_and_is_made_anew() -> None:
    right = KEPT.read_text()
    systemctl("stop", "origo", "origo-firewall")
    nft("delete", "table", *TABLE)
    KEPT.write_text("table inet origo_firewall { nonsense")
    systemctl("start", "origo")
    assert shown("origo-firewall", "ActiveState") == "failed"
    wait_until(settled)
    assert closed() and KEPT.read_text() == right


def test_the_cache_of_zfs_is_bound_by_a_unit_that_may_do_nothing_else() -> None:
    script = Path("/usr/lib/origo/bound-zfs-cache")
    script.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "appliance/deb/bound-zfs-cache", script)
    shutil.copy(UNITS / "origo-zfs-cache.service", SYSTEMD)
    # This world's /sys is a small copy, which has no modules.
    subprocess.run(["mount", "-o", "remount,bind,rw", "/sys"], check=True)
    ARC.parent.mkdir(parents=True)
    ARC.write_text("0\n")
    systemctl("daemon-reload")
    systemctl("start", "origo-zfs-cache")
    bound = int(ARC.read_text())
    shutil.rmtree("/sys/module")
    assert 256 << 20 <= bound <= 16 << 30
