"""A pool that is exported is mounted by those machines that were named, by NFS 4.2, and a disk on it boots a guest."""

import pytest

from tests.appliance.site import Site

HERE = "127.0.0.1"
NODE = """
set -e
for area in images masters; do mount -t nfs -o vers=4.2,hard {address}:{pool}/$area {pool}/$area; done
mount -t nfs4 | grep -c vers=4.2
{command}
"""
"""What a node does: it mounts both areas at the paths that they have on the engine; here in a mount namespace."""


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    site.machine.run(f"origo pools export default --to {HERE}")
    return site


def pool(site: Site) -> str:
    return str(site.origo("pools show default")["path"])


def as_node(site: Site, command: str, address: str = HERE, timeout: float = 300) -> str:
    """What a machine says that has the pool mounted."""
    script = NODE.format(address=address, pool=pool(site), command=command)
    return site.machine.run(["unshare", "--mount", "sh", "-c", script], timeout=timeout)


def test_only_the_newest_nfs_is_spoken(site: Site) -> None:
    assert site.machine.run("cat /proc/fs/nfsd/versions").split() == ["-3", "+4", "-4.0", "-4.1", "+4.2"]
    refused = site.machine.attempt(f"mount -t nfs -o vers=4.1,retry=0 {HERE}:{pool(site)}/images /mnt")
    assert refused.status != 0


def test_a_node_writes_images_as_root_and_changes_no_master(site: Site) -> None:
    said = as_node(site, f"touch {pool(site)}/images/witness; chown 64055 {pool(site)}/images/witness; echo written")
    assert said.split() == ["2", "written"]
    assert site.machine.run(f"stat -c %u {pool(site)}/images/witness; rm {pool(site)}/images/witness") == "64055\n"
    assert "Read-only" in as_node(site, f"touch {pool(site)}/masters/witness 2>&1 || true")


def test_what_is_the_engines_alone_is_not_exported(site: Site) -> None:
    for area in ("engine", "trash", ""):
        refused = site.machine.attempt(
            f"mount -t nfs -o vers=4.2,retry=0 {HERE}:{pool(site)}/{area} /mnt && ls /mnt/engine"
        )
        assert refused.status != 0


def test_a_machine_that_was_not_named_mounts_nothing(site: Site) -> None:
    address = site.machine.run("hostname -I").split()[0]
    refused = site.machine.attempt(f"mount -t nfs -o vers=4.2,retry=0 {address}:{pool(site)}/images /mnt", timeout=120)
    assert refused.status != 0


def test_a_child_of_a_master_on_it_boots_a_guest(site: Site) -> None:
    master = next(one for one in site.origo("images list") if one["name"].endswith("-system"))
    site.machine.run(f"origo images clone {master['id']} over-nfs")
    child = next(one for one in site.origo("images list") if one["name"] == "over-nfs")
    disk = f"{pool(site)}/images/{child['id']}.qcow2"
    command = (
        f"qemu-img info --backing-chain {disk} | grep -c masters; "
        "timeout 400 qemu-system-x86_64 -nodefaults -machine q35,accel=kvm:tcg -m 256 -display none -no-reboot "
        f"-drive file={disk},if=virtio,format=qcow2 -serial file:/run/over-nfs & "
        "for _ in $(seq 300); do grep -q 'origo: ' /run/over-nfs && break; sleep 1; done; "
        "kill $!; cat /run/over-nfs"
    )
    assert "origo: no answers: there is no seed disk" in as_node(site, command, timeout=500)


def test_exports_are_there_after_a_boot_and_gone_when_they_are_taken_back(site: Site) -> None:
    site.machine.reboot()
    site.comes_up()
    site.machine.wait(lambda: HERE in site.machine.run("exportfs -v"), "the exports", timeout=120)
    assert as_node(site, "echo mounted").split() == ["2", "mounted"]
    site.machine.run("origo pools unexport default")
    assert site.machine.run("exportfs -v") == ""


def test_removing_the_package_ends_the_exports(site: Site) -> None:
    images = f"{HERE}:{pool(site)}/images"
    site.machine.run(f"origo pools export default --to {HERE}")
    assert as_node(site, "echo mounted").split() == ["2", "mounted"]
    site.machine.run("apt-get remove -y origo", timeout=600)
    assert site.machine.run("exportfs -v") == ""
    refused = site.machine.attempt(f"mount -t nfs -o vers=4.2,retry=0 {images} /mnt", timeout=120)
    assert refused.status != 0
