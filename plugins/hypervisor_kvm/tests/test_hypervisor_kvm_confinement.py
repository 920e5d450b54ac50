"""Whether guests are held to their own files is what the kernel says of their processes, and of nothing else."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from origo_plugins.hypervisor_kvm import confinement, domain_xml

from origo import disks
from origo.contracts import DiskSpec, ServerSpec
from origo.errors import NotFound
from origo.host import LocalHost

ONE, TWO = "5f3b1a52-6f1c-4bd6-9d0e-2f9d3f6a1c01", "5f3b1a52-6f1c-4bd6-9d0e-2f9d3f6a1c02"
RUNNING = {ONE: "web1", TWO: "web2"}


class Files(LocalHost):
    """A machine with these files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__()
        self.files = dict(files)

    def read(self, path: str, **more: Any) -> bytes:
        if path not in self.files:
            raise NotFound(f"cannot read {path}: no such file or directory")
        return self.files[path].encode()


@pytest.fixture
def host() -> Files:
    """AppArmor is on, and holds both guests."""
    files = {confinement.ENABLED: "Y\n"}
    for number, id in enumerate(RUNNING, start=101):
        files[f"/run/libvirt/qemu/origo-{id}.pid"] = f"{number}"
        files[f"/proc/{number}/attr/apparmor/current"] = f"libvirt-{id} (enforce)\n"
    return Files(files)


def test_guests_that_run_in_their_profiles_lack_nothing(host: Files) -> None:
    assert confinement.lack(host, RUNNING) is None
    assert confinement.lack(host, {}) is None


@pytest.mark.parametrize("label", ["unconfined\n", f"libvirt-{ONE} (enforce)\n", f"libvirt-{TWO} (complain)\n", "\0"])
def test_a_guest_without_its_own_enforced_profile_is_named(host: Files, label: str) -> None:
    host.files["/proc/102/attr/apparmor/current"] = label
    lack = confinement.lack(host, RUNNING)
    assert lack and lack.fatal and lack.sentence == "web2 is not held to own files by AppArmor"
    assert "systemctl restart apparmor libvirtd" in lack.remedy


def test_a_guest_that_has_ended_meanwhile_is_not(host: Files) -> None:
    del host.files["/proc/102/attr/apparmor/current"]
    assert confinement.lack(host, RUNNING) is None
    del host.files[f"/run/libvirt/qemu/origo-{TWO}.pid"]
    assert confinement.lack(host, RUNNING) is None


@pytest.mark.parametrize("enabled", ["N\n", None])
def test_a_machine_without_apparmor_is_told_how_to_have_it_and_is_not_broken(host: Files, enabled: str | None) -> None:
    del host.files[confinement.ENABLED]
    if enabled:
        host.files[confinement.ENABLED] = enabled
    lack = confinement.lack(host, RUNNING)
    assert lack and not lack.fatal and "AppArmor is off" in lack.sentence and "apt install apparmor" in lack.remedy


@pytest.mark.needs("libvirt")
def test_libvirts_helper_lets_a_guest_write_its_disks_and_no_more_than_read_its_master_and_seed(tmp_path: Path) -> None:
    system, data, master, seed = (str(tmp_path / name) for name in ("a.qcow2", "b.raw", "m.qcow2", f"{ONE}-seed.iso"))
    disks.create(LocalHost(), master, 1 << 20)
    disks.create_child(LocalHost(), system, master, size_bytes=1 << 20)
    for path in (data, seed):
        Path(path).write_bytes(bytes(1 << 20))
    spec = ServerSpec(
        ONE,
        "web1",
        memory_mb=64,
        cpus=1,
        disks=(
            DiskSpec(system, "qcow2", backing=((master, "qcow2"),)),
            DiskSpec(data, "raw"),
            DiskSpec(seed, "raw", read_only=True),
        ),
    )
    text = domain_xml.domain(spec, accelerated=False, machine="pc-q35-7.2")
    helper = ["/usr/lib/libvirt/virt-aa-helper", "--create", "--dryrun", "--uuid", f"libvirt-{ONE}"]
    ended = LocalHost().run(helper, input=text.encode())
    said = (ended.out + ended.err).decode()
    rules = set(re.findall(rf'^  ((?:deny )?"{tmp_path}/.*" \w+),$', said, re.MULTILINE))
    assert rules == {
        f'"{system}" rwk',
        f'"{data}" rwk',
        *(f'"{path}" rk' for path in (master, seed)),
        *(f'deny "{path}" w' for path in (master, seed)),
    }


@pytest.mark.needs("libvirt")
@pytest.mark.parametrize("rule", ["/**.raw r,", "/**.qcow{,2} r,", "/**.[iI][sS][oO] r,"])
def test_that_helper_may_read_disks_wherever_they_lie_by_their_names(rule: str) -> None:
    profile = Path("/etc/apparmor.d/usr.lib.libvirt.virt-aa-helper").read_text()
    assert rule in [line.strip() for line in profile.splitlines()]
