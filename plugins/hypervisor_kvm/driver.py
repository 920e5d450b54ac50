"""libvirt's domains as servers: only those that carry our metadata are seen, none but those is touched."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import libvirt
from origo_plugins.hypervisor_kvm import connection, domain_xml, parse
from origo_plugins.hypervisor_kvm.accelerator import Accelerator
from origo_plugins.hypervisor_kvm.connection import Connection
from origo_plugins.hypervisor_kvm.console import SerialStream

from origo.contracts import (
    Consoles,
    ConsoleStream,
    Facts,
    Hypervisor,
    Lack,
    Power,
    ServerSpec,
    ServiceSpec,
    StateEvent,
    Usage,
    Watch,
)
from origo.contracts.service import Services
from origo.errors import Conflict, NoRoom, NotFound, OrigoError, Unavailable
from origo.host import Host

COMMANDS = {
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
}

QEMU_CONF = """# Written by Origo at each start of its own libvirtd.
security_driver = "none"
cgroup_controllers = []
"""

UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)

STATS = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)


class KvmHypervisor(Hypervisor, Consoles, Services):
    """Options: `uri` (by default qemu:///system), `state` (a folder), `daemon` (`own` has us run libvirtd)."""

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        self._connection = Connection(options.get("uri", "qemu:///system"))
        self._accelerator = Accelerator(host, options.get("state", "/var/lib/origo/hypervisor"))

    def check(self) -> list[Lack]:
        """Programs that are missing, and a daemon that does not answer."""
        lacks = [
            Lack(f"there is no program {command}", f"install the package {package}")
            for command, package in COMMANDS.items()
            if self.host.run(["sh", "-c", 'command -v "$0"', command], check=False).code
        ]
        if not lacks:
            try:
                self._connection.get()
            except Unavailable as error:
                lacks.append(Lack(error.message.removeprefix("cannot ").capitalize(), error.hint))
        return lacks

    def info(self) -> Facts:
        """Versions, the most CPUs, and whether guests run on the processor itself."""
        found = self._accelerator.answer()
        with self._said("look at libvirt"):
            number = self._connection.get().getLibVersion()
            kind = "kvm" if found.works else "qemu"
            most = self._connection.get().getMaxVcpus(kind)
        return Facts(
            title="KVM through libvirt" if found.works else "QEMU's emulation through libvirt",
            version=f"libvirt {number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}, QEMU {found.version}",
            formats=("qcow2", "raw"),
            backing_files=True,
            accelerated=found.works,
            max_cpus=most,
            notes={"accelerator": found.sentence},
        )

    def services(self) -> tuple[ServiceSpec, ...]:
        """libvirt's two daemons, where they are ours to run."""
        if self.options.get("daemon") != "own":
            return ()
        config = {"/etc/libvirt/qemu.conf": QEMU_CONF}
        return (
            ServiceSpec("virtlogd", ("virtlogd",), ready="/run/libvirt/virtlogd-sock"),
            ServiceSpec("libvirtd", ("libvirtd",), files=config, ready="/run/libvirt/libvirt-sock"),
        )

    def render(self, spec: ServerSpec) -> str:
        """The XML; a server that is there keeps its machine type, which its guest knows."""
        try:
            machine = parse.machine(self._find(spec.id).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        except NotFound:
            machine = ""
        accelerated = self._accelerator.answer().works
        return domain_xml.domain(spec, accelerated=accelerated, machine=machine or self._machine(accelerated))

    def define(self, spec: ServerSpec) -> None:
        """Define or change it."""
        with self._said(f"define server {spec.name}"):
            self._refuse_stranger(spec)
            self._connection.get().defineXMLFlags(self.render(spec), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)

    def undefine(self, id: str) -> None:
        """Forget it."""
        with contextlib.suppress(NotFound), self._said(f"undefine server {id}"):
            domain = self._find(id)
            if domain.isActive():
                raise Conflict(f"cannot undefine server {parse.name(domain)}: it runs", hint="stop it first")
            domain.undefineFlags(UNDEFINE)

    def start(self, id: str) -> None:
        """Start it."""
        domain = self._find(id)
        with self._said(f"start server {parse.name(domain)}"):
            if not domain.isActive():
                domain.create()

    def stop(self, id: str, *, force: bool) -> None:
        """Push the power button, or turn the power off."""
        domain = self._find(id)
        with self._said(f"stop server {parse.name(domain)}"):
            if not domain.isActive():
                return
            try:
                if force:
                    domain.destroy()
                else:
                    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            except libvirt.libvirtError:
                if domain.isActive():
                    raise

    def suspend(self, id: str) -> None:
        """Let its processors stand still."""
        domain = self._running(id, "suspend")
        with self._said(f"suspend server {parse.name(domain)}"):
            domain.suspend()

    def resume(self, id: str) -> None:
        """Let it go on."""
        domain = self._running(id, "resume")
        with self._said(f"resume server {parse.name(domain)}"):
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()

    def reset(self, id: str) -> None:
        """Push its reset button."""
        domain = self._running(id, "reset")
        with self._said(f"reset server {parse.name(domain)}"):
            domain.reset()

    def state(self, id: str) -> Power:
        """What it does."""
        domain = self._find(id)
        with self._said(f"see server {id}"):
            return connection.power(*domain.state())

    def list(self) -> Mapping[str, Power]:
        """All of ours, with one call for the names and one for the states."""
        with self._said("list servers"):
            found = self._connection.get().getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
            return {
                domain.UUIDString(): connection.power(values["state.state"], values["state.reason"])
                for domain, values in found
                if domain.name() == domain_xml.name(domain.UUIDString())
            }

    def stats(self) -> Mapping[str, Usage]:
        """What all running ones use."""
        with self._said("measure servers"):
            flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
            found = self._connection.get().getAllDomainStats(STATS, flags)
            return {
                domain.UUIDString(): parse.usage(values)
                for domain, values in found
                if domain.name() == domain_xml.name(domain.UUIDString())
            }

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Hand over every change of state."""
        return self._connection.watch(on_event)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def serial(self, id: str) -> ConsoleStream:
        """Open its serial line."""
        domain = self._running(id, "open the console of")
        with self._said(f"open the console of server {parse.name(domain)}"):
            return SerialStream(self._connection.get(), domain)

    def screen(self, id: str) -> tuple[str, int]:
        """Where its VNC screen listens."""
        domain = self._running(id, "open the screen of")
        with self._said(f"open the screen of server {parse.name(domain)}"):
            return parse.screen(domain.XMLDesc())

    def _machine(self, accelerated: bool) -> str:
        with self._said("ask for machine types"):
            kind = "kvm" if accelerated else "qemu"
            return parse.newest_machine(self._connection.get().getDomainCapabilities(None, "x86_64", "q35", kind))

    def _find(self, id: str) -> libvirt.virDomain:
        with self._said(f"find server {id}"):
            domain = self._connection.get().lookupByUUIDString(id)
        if domain.name() != domain_xml.name(id):
            raise NotFound(f"cannot find server {id}: the domain with that id is not Origo's")
        return domain

    def _running(self, id: str, verb: str) -> libvirt.virDomain:
        domain = self._find(id)
        if not domain.isActive():
            raise Conflict(f"cannot {verb} server {parse.name(domain)}: it is stopped", hint="start it first")
        return domain

    def _refuse_stranger(self, spec: ServerSpec) -> None:
        try:
            self._find(spec.id)
        except NotFound as error:
            if error.__cause__ is None:
                raise Conflict(f"cannot define server {spec.name}: another domain has its id") from None

    @contextlib.contextmanager
    def _said(self, what: str) -> Iterator[None]:
        try:
            yield
        except libvirt.libvirtError as error:
            text = f"cannot {what}: {error.get_error_message()}"
            code = error.get_error_code()
            if code == libvirt.VIR_ERR_NO_DOMAIN:
                raise NotFound(text) from error
            if "annot allocate memory" in text:
                raise NoRoom(text, hint="stop a server, or give it less memory") from error
            if code in (libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_NO_CONNECT):
                raise Unavailable(text, hint="see whether libvirtd runs: origo doctor") from error
            raise OrigoError(text) from error
