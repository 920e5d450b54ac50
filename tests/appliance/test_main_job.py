"""The whole line on a machine: package, set-up on mirrored disks, a stack under KVM, and its page seen from outside."""

import json

import pytest

from tests.appliance.package import answers, put_in
from tests.appliance.room import Room
from tests.appliance.site import DOMAIN, Site, installed


@pytest.fixture(scope="module")
def site(module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return installed(module_room, tmp_path_factory.mktemp("site"))


def test_the_plan_of_the_set_up_shows_the_disks_and_changes_nothing(site: Site) -> None:
    shown = site.machine.run("origo setup --answers /root/answers.toml --plan", timeout=120)
    assert "zpool create" in shown and "mirror" in shown and DOMAIN in shown
    assert site.machine.run("zpool list -H") == ""


def test_one_command_with_answers_sets_the_engine_up(site: Site) -> None:
    assert f"engine lab is set up: https://origo.{DOMAIN}" in site.set_up()
    assert "mirror-0" in site.machine.run("zpool status origo-0")
    assert [issue["sentence"] for issue in site.origo("issues list")] == []


def cache_is_bound(site: Site) -> bool:
    kib = int(site.machine.run("awk '/^MemTotal:/ { print $2 }' /proc/meminfo"))
    return int(site.machine.run("cat /sys/module/zfs/parameters/zfs_arc_max")) == kib // 8 * 1024


def test_the_cache_of_zfs_leaves_the_memory_to_guests(site: Site) -> None:
    assert cache_is_bound(site)


def test_a_stack_runs_under_kvm(site: Site) -> None:
    site.hello()
    assert "type='kvm'" in site.machine.run("virsh dumpxml $(virsh list --uuid | head -1)")


def test_its_guest_is_held_to_its_own_files_and_nothing_of_those_is_denied(site: Site) -> None:
    machine = site.machine
    server = machine.run("virsh list --uuid | head -1").strip()
    process = machine.run(f"cat /run/libvirt/qemu/origo-{server}.pid").strip()
    assert machine.run(f"cat /proc/{process}/attr/apparmor/current").strip("\0\n ") == f"libvirt-{server} (enforce)"
    files = machine.run(f"cat /etc/apparmor.d/libvirt/libvirt-{server}.files")
    assert '.qcow2" rwk,' in files and "/masters/" in files
    denied = machine.run("journalctl -k -b -o cat --no-pager | grep DENIED | grep 'profile=\"libvirt-' || true")
    assert denied == ""
    checks = json.loads(machine.attempt("origo doctor --json").output)
    (said,) = [one for one in checks if one["about"].startswith("confinement")]
    assert said["sentence"] == "each server that runs is held to its own files"


def test_its_page_is_seen_from_outside_through_the_front(site: Site) -> None:
    assert "hello" in site.log_in()
    assert site.counter() < site.counter()


def test_after_a_reboot_the_stack_is_back_with_its_data(site: Site) -> None:
    before = site.counter()
    site.machine.reboot()
    site.wait_page()
    assert before < site.counter()


def test_a_boot_has_an_order_in_which_everything_can_be_started(site: Site) -> None:
    words = "journalctl -b -o cat --no-pager SYSLOG_IDENTIFIER=systemd"
    assert "Found ordering cycle" not in site.machine.run(words)
    assert cache_is_bound(site)


def test_at_a_reboot_the_guest_is_shut_down_in_order_before_the_engine_ends(site: Site) -> None:
    told = site.machine.run("journalctl -b -1 -o cat --no-pager -u origo -u 'machine-qemu*.scope'")
    assert told.rindex("Virtual Machine") < told.rindex("Stopped origo.service")


def test_after_a_power_cut_no_visit_that_was_counted_is_lost(site: Site) -> None:
    before = site.counter()
    site.machine.power_cut()
    site.wait_page()
    assert before < site.counter()


def test_another_machine_with_the_disks_becomes_the_same_engine(site: Site, module_room: Room) -> None:
    site.machine.run("origo engine backup", timeout=120)
    old = site.origo("engine show")
    before = site.counter()
    site.machine.shutdown()
    machine = module_room.machine("next", forward=[443], egress=True)
    machine.disks = dict(site.machine.disks)
    machine.boot()
    put_in(machine, site.package)
    answers(machine)
    machine.put(site.key, "/root/key")
    machine.run("modprobe kvm_amd || true")
    options = "devices=/dev/disk/by-id/virtio-a /dev/disk/by-id/virtio-b"
    machine.run(f'origo engine recover --driver storage_zfs --option "{options}" --key-file /root/key', timeout=300)
    site.machine = machine
    site.wait_page()
    assert answers(machine)["id"] == old["id"]
    site.log_in()
    assert before < site.counter()
