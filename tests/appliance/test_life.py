"""What happens to machines in their lives: the engine comes up all the same, says what is missing, and recovers."""

from tests.appliance.site import GIB, Site

LIBVIRT = "libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
KERNELS = "for kernel in /lib/modules/*; do {}; depmod ${{kernel##*/}}; done"
TAKE = KERNELS.format("mkdir -p /root/kept$kernel; mv $kernel/updates/dkms/zfs.ko* /root/kept$kernel")
GIVE = KERNELS.format("mv /root/kept$kernel/* $kernel/updates/dkms")
GUEST = "10.1.0.10"
REST = "/var/lib/origo/pools/0/rest"


def issues(site: Site) -> str:
    """The sentences of all issues, a line each."""
    return "\n".join(f"{one['sentence']} ({one['remedy']})" for one in site.origo("issues list"))


def says(site: Site, word: str) -> str:
    """Wait until an issue has that word; all of them."""
    site.machine.wait(lambda: word in issues(site), f"an issue with {word!r}", timeout=120)
    return issues(site)


def is_well(site: Site) -> None:
    """Wait until no issue is open and the stack's page is seen from outside, with all its visits."""
    site.wait_page()
    site.machine.wait(lambda: issues(site) == "", lambda: f"the end of all issues: {issues(site)}", timeout=180)
    assert site.counter() < site.counter()


def machine_kernel(site: Site) -> str:
    return site.machine.run("uname -r").strip()


def test_programs_that_are_killed_are_there_again(site: Site) -> None:
    site.machine.run("systemctl kill -s KILL origo-nginx libvirtd")
    is_well(site)


def test_a_clock_that_jumps_ahead_and_back_costs_nothing(site: Site) -> None:
    machine, before = site.machine, site.counter()
    machine.run("timedatectl set-ntp false; date -s '+400 days'")
    site.wait_page()
    machine.run("origo images create later 16M && origo images delete later")
    machine.run("date -s '-400 days'; timedatectl set-ntp true")
    is_well(site)
    assert before < site.counter()


def test_a_full_root_disk_stops_no_server_and_refuses_changes_with_a_sentence(site: Site) -> None:
    machine = site.machine
    machine.run("fallocate -l $(df --output=avail -B1 / | tail -1) /var/filler; dd if=/dev/zero of=/var/rest || true")
    machine.run("origo stacks list && origo servers list")
    refused = machine.attempt("origo images create more 16M")
    assert refused.status == 1 and "cannot" in refused.errors and "Traceback" not in refused.errors
    assert site.counter() < site.counter()
    machine.run("systemctl restart origo")
    site.comes_up()
    machine.run("rm /var/filler /var/rest")
    machine.run("origo images create more 16M && origo images delete more")
    is_well(site)


def test_a_server_on_a_full_pool_stands_still_and_goes_on_when_there_is_room(site: Site) -> None:
    machine, before = site.machine, site.counter()
    machine.run("zfs create -o mountpoint=none origo-0/hoard")
    machine.run("zfs set reservation=$(zfs get -Hpo value available origo-0/hoard) origo-0/hoard")
    # ZFS takes some megabytes more than it says are left.
    rest = f"dd if=/dev/urandom bs=4k >>{REST} 2>/dev/null || true; sync -f {REST}"
    visit = f"curl -s -m 2 http://{GUEST}/ >/dev/null || true; virsh list | grep -q paused && exit"
    machine.run(f"for n in $(seq 100); do {rest}; {visit}; done; exit 1", timeout=600)
    assert "hello" in says(site, "stands still")
    machine.run(f"rm {REST}; zfs destroy origo-0/hoard")
    is_well(site)
    assert before < site.counter()


def test_a_pool_that_is_missing_at_the_boot_is_told_and_keeps_nothing_else_from_starting(site: Site) -> None:
    machine = site.machine
    machine.shutdown()
    disk = machine.add_disk("c", GIB)
    machine.boot()
    site.comes_up()
    machine.run("origo pools create extra --driver storage_zfs --option devices=/dev/disk/by-id/virtio-c", timeout=120)
    machine.run("origo images create kept 16M --pool extra && origo servers create there --memory 64M --image kept")
    machine.shutdown()
    del machine.disks["c"]
    machine.boot()
    site.comes_up()
    assert "pool extra" in says(site, "extra")
    site.wait_page()
    assert site.counter() < site.counter()
    machine.shutdown()
    machine.disks["c"] = disk
    machine.boot()
    is_well(site)
    machine.wait(lambda: "there" in machine.run("origo servers list | grep running"), "the server on the pool")


def test_a_boot_without_the_module_of_zfs_is_told_with_its_remedy(site: Site) -> None:
    machine = site.machine
    machine.run(TAKE, timeout=200)
    ahead = machine.attempt("origo doctor")
    assert ahead.status == 1 and "boots next, has no ZFS" in ahead.output and "dkms autoinstall" in ahead.output
    machine.reboot()
    site.comes_up()
    assert "zfs-dkms" in says(site, "ZFS")
    machine.run(f"{GIVE}; modprobe zfs; systemctl reset-failed", timeout=200)
    is_well(site)


def test_a_unit_that_failed_is_an_issue_until_it_is_reset(site: Site) -> None:
    machine = site.machine
    machine.run("systemd-run --quiet --unit=witness false")
    told = says(site, "witness.service")
    assert "units of systemd have failed: " in told and "journalctl -u witness.service" in told
    assert "witness.service" in machine.attempt("origo doctor").output
    machine.run("systemctl reset-failed witness")
    is_well(site)


def test_an_update_of_the_kernel_changes_nothing(site: Site) -> None:
    machine, before = site.machine, machine_kernel(site)
    machine.run("cd /; ln -sf boot/vmlinuz-*-cloud-amd64 vmlinuz; ln -sf boot/initrd.img-*-cloud-amd64 initrd.img")
    machine.reboot()
    assert machine_kernel(site).endswith("cloud-amd64") and machine_kernel(site) != before
    is_well(site)


def test_a_boot_without_libvirt_is_told_and_servers_start_when_it_is_back(site: Site) -> None:
    machine = site.machine
    machine.run(f"systemctl mask {LIBVIRT}")
    machine.reboot()
    site.comes_up()
    says(site, "libvirt")
    machine.run(f"systemctl unmask {LIBVIRT} && systemctl start libvirtd")
    is_well(site)


def test_an_interface_that_is_called_otherwise_changes_nothing(site: Site) -> None:
    machine = site.machine
    machine.shutdown()
    machine.command_line += " net.ifnames=0"
    machine.boot()
    assert "eth0" in machine.run("ip -br link")
    is_well(site)
