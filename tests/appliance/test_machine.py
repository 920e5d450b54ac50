"""The machine that everything else is tested on is a real one: KVM, ZFS, power cuts and a wire to its neighbour."""

from collections.abc import Iterator

import pytest

from tests.appliance.machine import Machine
from tests.appliance.room import Room


@pytest.fixture(scope="module")
def machine(module_room: Room) -> Machine:
    made = module_room.machine(disks={"tank": 1 << 30})
    made.boot()
    return made


@pytest.fixture(scope="module")
def neighbours(module_room: Room) -> Iterator[dict[str, Machine]]:
    made = {}
    for name in ("one", "two"):
        made[name] = module_room.machine(name, switch=module_room.switch(), memory_mb=2048)
        made[name].boot(up=False)
    for number, machine in enumerate(made.values(), start=1):
        machine.wait_up()
        machine.run(f"ip link set enp0s17 up; ip address add 172.30.0.{number}/24 dev enp0s17")
    yield made
    for one in made.values():
        one.power_off()


def test_a_machine_boots_with_no_unit_failed(machine: Machine) -> None:
    assert machine.run(["systemctl", "--failed", "--plain", "--no-legend"]) == ""
    assert machine.state() == "running"
    assert machine.expect("login: ")


def test_guests_run_under_nested_kvm(machine: Machine) -> None:
    machine.run(["modprobe", "kvm_amd"])
    assert machine.run(["stat", "-c", "%F", "/dev/kvm"]).strip() == "character special file"
    can = machine.run(["virsh", "-c", "qemu:///system", "domcapabilities", "--virttype", "kvm"], timeout=120)
    assert "<domain>kvm</domain>" in can


def test_a_pool_of_zfs_lies_on_a_disk_and_is_there_after_a_reboot(machine: Machine) -> None:
    machine.run(["zpool", "create", "tank", "/dev/disk/by-id/virtio-tank"])
    machine.run("echo kept > /tank/letter")
    machine.reboot()
    assert machine.run(["cat", "/tank/letter"]) == "kept\n"
    assert "ONLINE" in machine.run(["zpool", "list", "-H", "-o", "health"])


def test_a_power_cut_leaves_what_was_synced(machine: Machine) -> None:
    before = machine.run(["cat", "/proc/sys/kernel/random/boot_id", "/etc/machine-id"]).split()
    machine.put("synced", "/var/tmp/letter")
    machine.run(["touch", "/run/forgotten"])
    machine.power_cut()
    after = machine.run(["cat", "/proc/sys/kernel/random/boot_id", "/etc/machine-id"]).split()
    assert (before[0] == after[0], before[1] == after[1]) == (False, True)
    assert machine.get("/var/tmp/letter") == b"synced"
    assert machine.run("test -e /run/forgotten && echo there || echo gone") == "gone\n"


def test_two_machines_reach_each_other_and_nobody_else(neighbours: dict[str, Machine]) -> None:
    one, two = neighbours.values()
    assert "3 received" in one.run(["ping", "-c", "3", "-w", "20", "172.30.0.2"])
    assert one.get("/etc/machine-id") != two.get("/etc/machine-id")
    assert one.attempt(["ping", "-c", "1", "-w", "3", "192.168.214.2"]).status == 0
    assert one.attempt(["curl", "-sS", "--max-time", "5", "http://192.168.214.2:1/"]).status != 0
    big = bytes(range(256)) * 40_000
    one.put(big, "/var/tmp/big")
    two.run("nohup socat -u TCP-LISTEN:7000,reuseaddr CREATE:/var/tmp/big >/dev/null 2>&1 &")
    one.run(["socat", "-u", "FILE:/var/tmp/big", "TCP:172.30.0.2:7000,retry=5"], timeout=120)
    assert two.get("/var/tmp/big") == big


def test_a_command_that_fails_or_hangs_is_told_with_its_words(machine: Machine) -> None:
    ended = machine.attempt("echo out; echo error >&2; exit 7")
    assert (ended.status, ended.output, ended.errors) == (7, "out\n", "error\n")
    assert machine.attempt(["sleep", "600"], timeout=1).status is None
