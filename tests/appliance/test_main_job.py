"""The whole line on a machine: package, set-up on mirrored disks, a stack under KVM, and its page seen from outside."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from origo.host.local import LocalHost
from origo.services.catalog.build_sources import sources_for
from tests.appliance.machine import Machine
from tests.appliance.package import MOMENT, answers, build, put_in
from tests.appliance.room import Room
from tests.appliance.tree import SUITE
from tests.house.source import ROOT

GIB = 1 << 30
DOMAIN = "lab.test"
PASSWORD = "correct horse battery"
ANSWERS = f"""
name = "lab"
domain = "{DOMAIN}"

[administrator]
name = "anna"
password = "{PASSWORD}"

[storage]
driver = "storage_zfs"
devices = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"]
"""


@dataclass
class Site:
    """A machine with an engine, as somebody outside sees it."""

    machine: Machine
    folder: Path
    key: str = ""

    def curl(self, url: str, *options: str) -> str:
        """What the engine's front answers to a browser that trusts the engine's authority and keeps its cookies."""
        port = self.machine.ports[443]
        host = re.sub(r"https://([^/]+).*", r"\1", url)
        names = {host, f"origo.{DOMAIN}", self.stack()["host"]}
        hosts = [word for name in names for word in ("--resolve", f"{name}:{port}:127.0.0.1")]
        jar, authority = str(self.folder / "cookies"), str(self.folder / "authority.crt")
        base = ["curl", "-sS", "--max-time", "60", "-L", "--cacert", authority, "-c", jar, "-b", jar, *hosts]
        ended = subprocess.run(
            [*base, *options, url.replace(host, f"{host}:{port}", 1)], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def log_in(self) -> str:
        """Log in as the administrator; the page that one comes to."""
        origin = f"https://origo.{DOMAIN}"
        port = self.machine.ports[443]
        form = ["--data-urlencode", "name=anna", "--data-urlencode", f"password={PASSWORD}"]
        return self.curl(f"{origin}/login", *form, "-H", f"Origin: {origin}:{port}")

    def stack(self) -> dict[str, Any]:
        """The stack hello, as the engine tells of it; without any, a host that nobody has."""
        found = self.machine.attempt("origo stacks show hello --json")
        return json.loads(found.output) if found.status == 0 else {"host": f"none.origo.{DOMAIN}"}

    def counter(self) -> int:
        """How many visits the stack's page says it had, seen through the engine's page."""
        label = self.stack()["host"].partition(".")[0]
        text = self.curl(f"https://origo.{DOMAIN}/enter/{label}")
        found = re.search(r"(\d+)", re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.S))
        assert found, text
        return int(found[1])


@pytest.fixture(scope="module")
def site(module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    package = build(ROOT, folder, MOMENT)
    machine = module_room.machine(disks={"a": 4 * GIB, "b": 4 * GIB}, forward=[443], egress=True)
    machine.boot()
    put_in(machine, package)
    answers(machine)
    (folder / "debian.sources").write_text(sources_for(LocalHost(), SUITE))
    machine.put(folder / "debian.sources", "/etc/apt/sources.list.d/debian.sources")
    (folder / "answers.toml").write_text(ANSWERS)
    machine.put(folder / "answers.toml", "/root/answers.toml")
    yield Site(machine, folder)


def test_the_plan_of_the_set_up_shows_the_disks_and_changes_nothing(site: Site) -> None:
    shown = site.machine.run("origo setup --answers /root/answers.toml --plan", timeout=120)
    assert "zpool create" in shown and "mirror" in shown and DOMAIN in shown
    assert site.machine.run("zpool list -H") == ""


def test_one_command_with_answers_sets_the_engine_up(site: Site) -> None:
    said = site.machine.run("origo setup --answers /root/answers.toml", timeout=300)
    assert f"engine lab is set up: https://origo.{DOMAIN}" in said
    site.key = re.search(r"recovery key: (\S+)", said)[1]  # type: ignore[index]
    assert "mirror-0" in site.machine.run("zpool status origo-0")
    assert [issue["sentence"] for issue in json.loads(site.machine.run("origo issues list --json"))] == []
    (site.folder / "authority.crt").write_bytes(site.machine.get("/var/lib/origo/keys/front/authority.crt"))


def test_the_cache_of_zfs_leaves_the_memory_to_guests(site: Site) -> None:
    kib = int(site.machine.run("awk '/^MemTotal:/ { print $2 }' /proc/meminfo"))
    assert int(site.machine.run("cat /sys/module/zfs/parameters/zfs_arc_max")) == kib // 8 * 1024


def test_a_stack_runs_under_kvm(site: Site) -> None:
    site.machine.run("modprobe kvm_amd || true")
    site.machine.run("origo stacks build /usr/share/origo/stacks/hello", timeout=600)
    site.machine.run("origo stacks install hello", timeout=300)
    assert "type='kvm'" in site.machine.run("virsh dumpxml $(virsh list --uuid | head -1)")


def test_its_page_is_seen_from_outside_through_the_front(site: Site) -> None:
    site.machine.wait(lambda: site.stack().get("reachable"), "the stack's page", timeout=180)
    assert "hello" in site.log_in()
    assert site.counter() < site.counter()


def test_after_a_reboot_the_stack_is_back_with_its_data(site: Site) -> None:
    before = site.counter()
    site.machine.reboot()
    site.machine.wait(lambda: site.stack().get("reachable"), "the stack's page", timeout=300)
    assert site.counter() > before


def test_after_a_power_cut_too(site: Site) -> None:
    before = site.counter()
    site.machine.power_cut()
    site.machine.wait(lambda: site.stack().get("reachable"), "the stack's page", timeout=300)
    assert site.counter() > before - 2


def test_another_machine_with_the_disks_becomes_the_same_engine(site: Site, module_room: Room) -> None:
    site.machine.run("origo engine backup", timeout=120)
    old = json.loads(site.machine.run("origo engine show --json"))
    before = site.counter()
    site.machine.shutdown()
    machine = module_room.machine("next", forward=[443], egress=True)
    machine.disks = dict(site.machine.disks)
    machine.boot()
    put_in(machine, next(site.folder.glob("*.deb")))
    answers(machine)
    (site.folder / "key").write_text(site.key)
    machine.put(site.folder / "key", "/root/key")
    machine.run("modprobe kvm_amd || true")
    options = "devices=/dev/disk/by-id/virtio-a /dev/disk/by-id/virtio-b"
    machine.run(f'origo engine recover --driver storage_zfs --option "{options}" --key-file /root/key', timeout=300)
    site.machine = machine
    machine.wait(lambda: site.stack().get("reachable"), "the stack's page", timeout=300)
    assert answers(machine)["id"] == old["id"]
    site.log_in()
    assert site.counter() > before
