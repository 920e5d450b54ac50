"""A machine on its own: set up from elsewhere, closed but for what it serves, looked at, and helped from afar."""

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests import exposure
from tests.appliance.machine import Machine
from tests.appliance.package import answers
from tests.appliance.room import Room
from tests.appliance.site import installed

ANSWERS = 'domain = "lab.test"\ntime_zone = "Europe/Vienna"\n'
TABLE = "nft list table inet origo_firewall"
KEPT = "/var/lib/origo/run/firewall.nft"


@pytest.fixture(scope="module")
def machine(module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    options = {"disks": {"a": 4 << 30}, "forward": [443, 9001], "egress": False}
    site = installed(module_room, tmp_path_factory.mktemp("site"), **options)
    return site.machine


def status(machine: Machine, path: str, host: str) -> str:
    """What a machine elsewhere is answered at that path, which calls this one by that host."""
    there = f"{host}:443:127.0.0.1:{machine.ports[443]}"
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", "--connect-to", there]
    return subprocess.run([*command, f"https://{host}{path}"], capture_output=True, text=True, check=False).stdout


def test_the_set_up_link_works_at_the_machines_address_and_nothing_else_does(machine: Machine) -> None:
    link = machine.run("origo users setup-link").split()[0]
    found = re.fullmatch(r"https://([0-9.]+)(/setup/\S+)", link)
    assert found, link
    assert status(machine, found[2], found[1]) == "200"
    assert status(machine, "/login", found[1]) == "421"
    assert status(machine, found[2], "rebound.example") == "421"


def test_an_empty_disk_is_offered_by_its_lasting_name(machine: Machine) -> None:
    offer = json.loads(
        machine.run("curl -s --unix-socket /var/lib/origo/run/api.sock http://origo/api/v1/engine/setup")
    )
    assert [disk["path"] for disk in offer["disks"]] == ["/dev/disk/by-id/virtio-a"]
    assert [one["name"] for one in offer["interfaces"]] == ["enp0s16"] and offer["time_zone"]


def test_the_machine_goes_by_the_time_zone_that_was_chosen(machine: Machine) -> None:
    machine.run(f"cat >/root/answers.toml <<'END'\n{ANSWERS}END\norigo setup --answers /root/answers.toml", timeout=300)
    assert machine.run("timedatectl show --property=Timezone --value").strip() == "Europe/Vienna"


def test_nothing_but_ssh_and_the_pages_is_reached_from_elsewhere(machine: Machine) -> None:
    machine.run("systemd-run --unit=witness python3 -m http.server 9001")
    asked = f"curl -s -o /dev/null --max-time 5 http://127.0.0.1:{machine.ports[9001]}/"
    machine.wait(lambda: machine.attempt("curl -s http://127.0.0.1:9001/").status == 0, "the witness")
    assert subprocess.run(asked.split(), check=False).returncode != 0
    machine.run("nft delete table inet origo_firewall")
    assert subprocess.run(asked.split(), check=False).returncode == 0
    machine.wait(lambda: machine.attempt(TABLE).status == 0, "the firewall", timeout=180)
    assert subprocess.run(asked.split(), check=False).returncode != 0


def test_the_doctor_looks_at_the_whole_machine(machine: Machine) -> None:
    machine.run("modprobe kvm_amd || true")
    checks = {one["about"]: one for one in json.loads(machine.attempt("origo doctor --json").output)}
    for about in ("firewall", "security updates", "logs", "cache of ZFS", "engine's disk", "KVM", "restart"):
        assert checks[about]["ok"], checks[about]
    assert {"clock", "units of systemd", "certificate"} <= set(checks)


def test_a_restart_that_is_due_is_told_and_not_done(machine: Machine) -> None:
    machine.run(
        "echo linux-image-amd64 >/run/reboot-required.pkgs; touch /run/reboot-required; systemctl restart origo"
    )
    answers(machine)
    machine.wait(lambda: "linux-image-amd64" in machine.run("origo issues list --json"), "the issue")
    assert 'Automatic-Reboot "false"' in machine.run("apt-config dump Unattended-Upgrade::Automatic-Reboot")


def test_a_support_bundle_has_the_journal_and_not_the_link(machine: Machine, tmp_path: Path) -> None:
    link = machine.run("origo users setup-link").split()[0]
    machine.run(
        f"logger --tag origo 'a stray line: {link}'; rm -f /root/b.tar.gz; origo support-bundle --out /root/b.tar.gz"
    )
    (tmp_path / "b.tar.gz").write_bytes(machine.get("/root/b.tar.gz"))
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        text = "".join(file.read().decode() for file in map(archive.extractfile, archive.getmembers()) if file)
    assert "origo_firewall" in text and "origo.service" in text
    assert link.rpartition("/")[2].rpartition("=")[2] not in text


def test_no_unit_lies_more_open_than_is_written(machine: Machine) -> None:
    units = machine.run(exposure.LOADED)
    found = {line.split()[0] for line in units.splitlines()}
    assert {name for name in exposure.BOUNDS if "*" not in name} - found == set()
    assert machine.run(exposure.too_open(units), timeout=120) == ""


def moment(machine: Machine, unit: str, name: str) -> int:
    """When that became of a unit in this boot, in microseconds since the boot."""
    return int(machine.run(f"systemctl show -P {name}TimestampMonotonic {unit}"))


def test_the_firewall_is_there_before_the_network_after_a_boot(machine: Machine) -> None:
    machine.wait(lambda: machine.attempt(TABLE).status == 0, "the firewall", timeout=180)
    machine.run(f"test -s {KEPT}")
    machine.reboot()
    answers(machine)
    assert machine.attempt("systemctl is-active origo-firewall.service").output == "active\n"
    closed = moment(machine, "origo-firewall.service", "ActiveEnter")
    assert 0 < closed <= moment(machine, "network-pre.target", "ActiveEnter")
    # The engine starts beside it, and waits for this one before it opens its front.
    assert closed <= moment(machine, "origo-machine.service", "InactiveExit")
    assert closed <= moment(machine, "origo-nginx.service", "InactiveExit")
    network = machine.run(
        "systemctl list-units --plain --no-legend --state=active systemd-networkd.service networking.service"
    )
    begun = [moment(machine, line.split()[0], "InactiveExit") for line in network.splitlines()]
    assert begun and closed <= min(begun)
    assert "policy drop" in machine.run(TABLE)


def test_removing_the_package_takes_the_firewall_out(machine: Machine) -> None:
    machine.run("apt-get remove -y origo", timeout=600)
    assert machine.attempt(TABLE).status != 0
    assert machine.attempt(f"test -e {KEPT}").status != 0
    assert machine.attempt("systemctl is-active origo-firewall.service").status != 0
