"""The page on recovering, followed with a machine that died: what came after the backup is there, nothing is forced."""

import pytest

from tests.appliance.package import answers, put_in
from tests.appliance.room import Room
from tests.appliance.site import GIB, Site, installed

OPTIONS = "devices=/dev/disk/by-id/virtio-a /dev/disk/by-id/virtio-b"
EXTRA = "devices=/dev/disk/by-id/virtio-c"


@pytest.fixture(scope="module")
def lost(module_room: Room, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that was cut off, with an image that no backup knows; its disks are in a machine of another hostid."""
    site = installed(module_room, tmp_path_factory.mktemp("site"))
    machine = site.machine
    machine.run("hostnamectl set-hostname cellar; zgenhostid -f deadbeef")
    machine.add_disk("c", 2 * GIB)
    machine.reboot()
    site.comes_up()
    site.set_up()
    machine.run(f"origo pools create extra --driver storage_zfs --option {EXTRA}", timeout=120)
    machine.run("origo engine backup")
    machine.run("origo images create later 64M && origo images create elsewhere 64M --pool extra; sleep 25; sync")
    machine.power_off()
    other = module_room.machine("other", forward=[443])
    other.disks = dict(machine.disks)
    other.boot()
    put_in(other, site.package)
    answers(other)
    other.put(site.key, "/root/key")
    site.machine = other
    return site


def recover(site: Site, *words: str) -> str:
    command = f'origo engine recover --driver storage_zfs --option "{OPTIONS}" --key-file /root/key'
    return site.machine.attempt(" ".join([command, *words, "2>&1"]), timeout=300).output


def test_the_pool_of_a_machine_that_died_is_refused_with_its_name(lost: Site) -> None:
    said = recover(lost)
    assert "the machine cellar used it last, at 20" in said and "--take" in said
    assert lost.machine.run("zpool list -H") == ""


def test_it_is_taken_when_that_is_asked_for_with_all_that_came_after_the_backup(lost: Site) -> None:
    assert "starts anew" in recover(lost, "--take")
    machine = lost.machine
    machine.wait(lambda: '"lab"' in machine.attempt("origo engine show --json").output, "the old engine", timeout=120)
    found = machine.wait(lambda: machine.attempt("origo issues list --json").output, "an answer", timeout=120)
    machine.wait(lambda: "elsewhere" in machine.attempt("origo images list").output, "the images", timeout=200)
    assert {"later", "elsewhere"} <= {one["name"] for one in lost.origo("images list")}, found
    sentences = [one["sentence"] for one in lost.origo("issues list")]
    assert "the database was older than pool default: 1 made since came back (later)" in sentences
    assert {pool["health"] for pool in lost.origo("pools list")} == {"ok"}
