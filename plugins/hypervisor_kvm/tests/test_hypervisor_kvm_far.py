"""hypervisor_kvm for a second machine: libvirt over TLS with the engine's certificates, commands over ssh."""

import time
from collections.abc import Iterator
from pathlib import Path

import kvm_lab
import pytest
from origo_plugins.hypervisor_kvm.driver import KvmHypervisor
from origo_plugins.hypervisor_kvm.machine import QEMU_CONF

from origo.contracts import Hypervisor, Power, ServerSpec, StateEvent
from origo.errors import OrigoError, Unavailable
from origo.host import SshHost
from origo.secrets import Secrets
from origo.testing.consoles_suite import ConsolesSuite
from origo.testing.hypervisor_suite import Disk, HypervisorSuite, Make, wait_for
from origo.testing.second_machine import SecondMachine

pytestmark = [pytest.mark.needs("libvirt"), pytest.mark.needs("ssh"), pytest.mark.timeout(240)]

LIBVIRTD_CONF = """
listen_tls = 1
listen_tcp = 0
listen_addr = "{address}"
key_file = "{node.key}"
cert_file = "{node.certificate}"
ca_file = "{node.authority}"
tls_allowed_dn_list = ["CN=engine"]
auth_tls = "none"
"""


class Far:
    """A second machine with libvirt's daemon, and what is needed to reach it."""

    def __init__(self, machine: SecondMachine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.host: SshHost = machine.host()
        secrets = Secrets(folder / "keys")
        node = secrets.issue("node", [machine.address, machine.name])
        self.pki = {name: self._client(secrets, name) for name in ("engine", "somebody")}
        self.host.write("/etc/libvirt/qemu.conf", QEMU_CONF.encode())
        text = LIBVIRTD_CONF.format(address=machine.address, node=node)
        self.host.write("/etc/libvirt/libvirtd.conf", text.encode())
        self.host.run(["virtlogd", "-d"])
        self.start()

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self.host.run(["libvirtd", "-d", "--listen"])
        assert wait_for(lambda: self.host.run(["virsh", "version"], check=False).code == 0)

    def uri(self, who: str = "engine") -> str:
        """How the machine is reached with the certificate of `who`."""
        return f"qemu+tls://{self.machine.address}/system?pkipath={self.pki[who]}"

    def driver(self, who: str = "engine") -> KvmHypervisor:
        """One more driver for that machine."""
        return KvmHypervisor(self.host, {"uri": self.uri(who), "state": "/run/origo"})

    def _client(self, secrets: Secrets, name: str) -> Path:
        made = secrets.issue(name, [name])
        folder = self.folder / f"pki-{name}"
        folder.mkdir()
        for source, target in (
            (made.certificate, "clientcert.pem"),
            (made.key, "clientkey.pem"),
            (made.authority, "cacert.pem"),
        ):
            (folder / target).write_bytes(source.read_bytes())
        return folder


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with kvm_lab.folder() as folder:
        (folder / "m").mkdir()
        with SecondMachine(folder / "m", number=9) as machine:
            yield Far(machine, folder)


class OverTls:
    """What the suites ask for, on the second machine."""

    @pytest.fixture
    def make(self, far: Far) -> Iterator[Make]:
        made: list[KvmHypervisor] = []

        def make_one() -> KvmHypervisor:
            made.append(far.driver())
            return made[-1]

        yield make_one
        for one in made:
            one.close()

    @pytest.fixture
    def disk_of(self, far: Far) -> Iterator[Disk]:
        yield from kvm_lab.disk_maker(far.folder)

    @pytest.fixture
    def stranger(self, far: Far) -> Iterator[str]:
        yield from kvm_lab.strange_server(far.folder, "stranger", "-c", far.uri())

    def booted(self, driver: Hypervisor, id: str) -> None:
        kvm_lab.answers_on_its_line(driver, id)


class TestKvmOverTls(OverTls, HypervisorSuite):
    """Every clause."""


class TestKvmConsolesOverTls(OverTls, ConsolesSuite):
    """Every clause."""

    driver = HypervisorSuite.driver
    disk = HypervisorSuite.disk
    spec = HypervisorSuite.spec


class TestTheWayThere(OverTls):
    """What is particular to a machine elsewhere."""

    driver = HypervisorSuite.driver
    disk = HypervisorSuite.disk
    spec = HypervisorSuite.spec

    def test_a_certificate_that_is_not_on_the_list_is_refused(self, far: Far) -> None:
        driver = far.driver("somebody")
        with pytest.raises(Unavailable, match="cannot reach libvirt at qemu"):
            driver.list()
        driver.close()

    def test_guests_run_there_and_not_here(self, far: Far, driver: KvmHypervisor, spec: ServerSpec) -> None:
        driver.define(spec)
        driver.start(spec.id)
        assert spec.id in far.host.run(["pgrep", "-a", "qemu-system"]).text
        assert far.host.run(["virsh", "domstate", spec.id]).text.strip() == "running"

    def test_a_cut_cable_is_noticed_and_a_mended_one_is_told(
        self, far: Far, driver: KvmHypervisor, spec: ServerSpec
    ) -> None:
        told: list[StateEvent] = []
        watch = driver.watch(told.append)
        driver.define(spec)
        driver.start(spec.id)
        far.machine.cut()
        try:
            began = time.monotonic()
            with pytest.raises(OrigoError, match="cannot"):
                driver.state(spec.id)
            assert time.monotonic() - began < 60
        finally:
            far.machine.mend()
        assert wait_for(lambda: StateEvent("") in told, 60)
        assert wait_for(lambda: _state(driver, spec.id) is Power.RUNNING, 60)
        watch.close()


def _state(driver: KvmHypervisor, id: str) -> Power | None:
    try:
        return driver.state(id)
    except Unavailable:
        return None
