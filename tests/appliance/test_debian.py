"""An ordinary Debian as a stack: built on the engine's machine, run by KVM, and reached through its front."""

from tests.appliance.site import Site


def test_it_is_built_there_and_runs_under_kvm_with_its_page_seen_from_outside(site: Site) -> None:
    site.machine.run("origo stacks build /usr/share/origo/stacks/debian", timeout=3000)
    site.machine.run("modprobe kvm_amd || true; origo stacks install debian", timeout=600)
    site.wait_page("debian", timeout=1200)
    (server,) = (one for one in site.origo("servers list") if one["name"].startswith("debian"))
    assert "type='kvm'" in site.machine.run(["virsh", "dumpxml", f"origo-{server['id']}"])
    assert "Your Debian is up" in site.enter("debian")


def test_at_a_reboot_it_is_shut_down_in_order_and_comes_back(site: Site) -> None:
    site.machine.reboot()
    site.comes_up()
    site.wait_page("debian", timeout=1200)
    told = site.machine.run("journalctl -b -1 -o cat --no-pager -u origo")
    assert "waiting for debian" in told
    assert "Your Debian is up" in site.enter("debian")
