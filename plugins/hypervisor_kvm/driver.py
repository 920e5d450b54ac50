"""libvirt's domains as servers: only those that carry our own name are seen, none but those is touched."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import libvirt
from origo_plugins.hypervisor_kvm import confinement, domain_xml, failures, machine, parse
from origo_plugins.hypervisor_kvm.accelerator import Accelerator
from origo_plugins.hypervisor_kvm.agents import Agents
from origo_plugins.hypervisor_kvm.console import SerialStream
from origo_plugins.hypervisor_kvm.daemon import Daemon
from origo_plugins.hypervisor_kvm.events import Events

from origo.contracts import (
    Closing,
    Confinement,
    Consoles,
    ConsoleStream,
    Facts,
    Hypervisor,
    Lack,
    Power,
    Reasons,
    ServerSpec,
    Services,
    ServiceSpec,
    StateEvent,
    Usage,
    Watch,
)
from origo.errors import Conflict, NoRoom, NotFound, OrigoError
from origo.host import Host

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
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
# A domain that is busy, such as one whose disk hangs, is left out rather than waited for.
RUNNING_NOW = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT

Answer = TypeVar("Answer")


class KvmHypervisor(Hypervisor, Confinement, Consoles, Reasons, Services, Closing):
    """Options: `uri` (by default qemu:///system), `state` (a folder for what was found out about this machine),
    `accelerator` (`kvm` or `emulation` instead of finding out), `daemon` (`own`: Origo runs libvirtd here)."""

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        uri = options.get("uri") or "qemu:///system"
        self._daemon = Daemon(uri)
        self._events = Events(uri)
        self._agents = Agents(lambda id, work: self._on(id, "shut down", work, slow=True, done=_is_off))
        self._accelerator = Accelerator(
            host, options.get("state") or "/var/lib/origo/hypervisor", forced=options.get("accelerator", "")
        )

    def check(self) -> list[Lack]:
        """Programs that are missing, a daemon that does not answer, and, not fatal, guests that are emulated."""
        lacks = machine.missing_programs(self.host, machine.wanted_programs(self.options))
        if lacks:
            return lacks
        try:
            self._daemon.call(lambda connection: connection.getLibVersion())
            return self._accelerator.answer().lacks()
        except OrigoError as error:
            return [Lack(error.message, error.hint or "see the daemon's log")]

    def info(self) -> Facts:
        """Versions, the most CPUs, and whether guests run on the processor itself."""
        found = self._accelerator.answer()
        version, capabilities = self._ask(
            "look at libvirt", lambda connection: (connection.getLibVersion(), _capabilities(connection, found.kind))
        )
        return Facts(
            title="KVM through libvirt" if found.works else "QEMU's emulation through libvirt",
            version=f"libvirt {version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}, QEMU {found.version}",
            formats=domain_xml.FORMATS,
            backing_files=True,
            accelerated=found.works,
            max_cpus=min(parse.most_cpus(capabilities), domain_xml.MAX_CPUS),
            notes={"accelerator": found.sentence},
        )

    def services(self) -> tuple[ServiceSpec, ...]:
        """libvirt's two daemons, where they are ours to run."""
        return machine.services() if self.options.get("daemon") == "own" else ()

    def render(self, spec: ServerSpec) -> str:
        """The XML; a server that is there keeps its machine type, which its guest knows."""
        return domain_xml.domain(spec, accelerated=self._accelerator.answer().works, machine=self._machine(spec))

    def define(self, spec: ServerSpec) -> str:
        """Define or change it; one that runs is as it was until its next start. The machine type is its hardware."""
        machine = self._machine(spec)
        text = domain_xml.domain(spec, accelerated=self._accelerator.answer().works, machine=machine)

        def work(connection: Any) -> None:
            known = _lookup(connection, spec.id)
            if known is not None and not parse.is_ours(known):
                raise Conflict(f"cannot define server {spec.name}: another domain on this machine has its id")
            connection.defineXML(text)

        self._ask(f"define server {spec.name}", work)
        return machine

    def undefine(self, id: str) -> None:
        """Forget it."""

        def work(connection: Any) -> None:
            domain = _lookup(connection, id)
            if domain is None or not parse.is_ours(domain):
                return
            if domain.isActive():
                raise Conflict(f"cannot undefine server {_title(domain)}: it runs", hint="stop it first")
            domain.undefineFlags(UNDEFINE)

        self._ask(f"undefine server {id}", work, gone=None)

    def start(self, id: str) -> None:
        """Start it with the accelerator that works now, unless that would take memory which others have.

        Returns once it runs, whoever began to start it. libvirt goes on with a start whose client was killed: that one
        counts as active from its first moment, may still fail, and is waited for by another start, which is then
        refused or does the work.
        """
        found = self._accelerator.answer()

        def work(domain: Any) -> None:
            if not domain.isActive():
                _admit(domain)
                text = domain_xml.adapted(domain.XMLDesc(INACTIVE), accelerated=found.works)
                if text:
                    domain.connect().defineXML(text)
                domain.create()
            elif parse.is_starting(*domain.state()):
                domain.create()

        self._on(id, "start", work, slow=True, done=lambda domain: domain.isActive())

    def stop(self, id: str, *, force: bool) -> None:
        """Ask its agent and then push the power button, or turn the power off."""

        def work(domain: Any) -> None:
            if not domain.isActive():
                return
            if force:
                domain.destroy()
            else:
                self._agents.shut_down(domain)

        self._on(id, "power off" if force else "shut down", work, slow=True, done=_is_off)

    def suspend(self, id: str) -> None:
        """Let its processors stand still."""
        self._on(id, "suspend", lambda domain: domain.suspend(), running=True)

    def resume(self, id: str) -> None:
        """Let it go on."""

        def work(domain: Any) -> None:
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()

        self._on(id, "resume", work, running=True)

    def reset(self, id: str) -> None:
        """Push its reset button."""
        self._on(id, "reset", lambda domain: domain.reset(), running=True)

    def state(self, id: str) -> Power:
        """What it does."""
        return self._on(id, "look at", lambda domain: parse.power(*domain.state()))

    def reason(self, id: str) -> str:
        """What libvirt remembers of its end; it forgets when its daemon is restarted."""
        return self._on(id, "look at", lambda domain: parse.reason(*domain.state()))

    def list(self) -> Mapping[str, Power]:
        """All of ours, in one call."""
        flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        found = self._ask(
            "list servers", lambda connection: connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, flags)
        )
        return {
            domain.UUIDString(): parse.power(values["state.state"], values["state.reason"])
            for domain, values in found
            if parse.is_ours(domain)
        }

    def stats(self) -> Mapping[str, Usage]:
        """What all running ones use."""
        found = self._ask("measure servers", lambda connection: connection.getAllDomainStats(STATS, RUNNING_NOW))
        return {domain.UUIDString(): parse.usage(values) for domain, values in found if parse.is_ours(domain)}

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Hand over every change of state."""
        threading.Thread(target=self._ask_ahead, name="capabilities", daemon=True).start()
        return self._events.watch(on_event)

    def unconfined(self) -> Lack | None:
        """What is missing of AppArmor here, or which servers run without their profile."""
        active = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        found = self._ask("list servers", lambda connection: connection.listAllDomains(active))
        return confinement.lack(self.host, {one.UUIDString(): _title(one) for one in found if parse.is_ours(one)})

    def serial(self, id: str) -> ConsoleStream:
        """Open its serial line."""
        return self._on(id, "open the console of", SerialStream, running=True)

    def screen(self, id: str) -> tuple[str, int]:
        """Where its VNC screen listens."""
        return self._on(id, "open the screen of", lambda domain: parse.screen(domain.XMLDesc()), running=True)

    def _machine(self, spec: ServerSpec) -> str:
        """The machine type that its guest knows, or the newest one for a new guest."""
        kind = self._accelerator.answer().kind
        return self._ask("ask for machine types", lambda connection: _machine_type(connection, spec, kind))

    def _ask_ahead(self) -> None:
        """libvirt tries out every QEMU when it is first asked what they can do: now, not while somebody waits."""
        with contextlib.suppress(OrigoError):
            found = self._accelerator.answer()
            self._daemon.call(lambda connection: _capabilities(connection, found.kind))

    def close(self) -> None:
        """Close all connections; servers run on."""
        self._agents.close()
        self._events.close()
        self._daemon.close()

    def _ask(self, what: str, work: Callable[[Any], Answer], **options: Any) -> Answer:
        """Do `work` with a connection, with libvirt's errors as ours; with `gone`, that is the answer for no domain."""
        try:
            return self._daemon.call(work, slow=options.get("slow", False))
        except libvirt.libvirtError as error:
            mapped = failures.as_error(what, error)
            if "gone" in options and isinstance(mapped, NotFound):
                return options["gone"]  # type: ignore[no-any-return]
            raise mapped from error

    def _on(
        self,
        id: str,
        verb: str,
        work: Callable[[Any], Answer],
        *,
        running: bool = False,
        slow: bool = False,
        done: Callable[[Any], bool] = lambda domain: False,
    ) -> Answer:
        """Do `work` with one of our domains; a failure counts for nothing when it is `done` all the same."""

        def act(connection: Any) -> Answer:
            domain = _lookup(connection, id)
            if domain is None or not parse.is_ours(domain):
                raise NotFound(f"cannot {verb} server {id}: it is not on this machine")
            if running and not domain.isActive():
                raise Conflict(f"cannot {verb} server {_title(domain)}: it is stopped", hint="start it first")
            try:
                return work(domain)
            except libvirt.libvirtError as error:
                if not connection.isAlive():
                    raise
                if done(domain):
                    return None  # type: ignore[return-value]
                raise failures.as_error(f"{verb} server {_title(domain)}", error) from error

        return self._ask(f"{verb} server {id}", act, slow=slow)


def _lookup(connection: Any, id: str) -> Any:
    try:
        return connection.lookupByUUIDString(id)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG):
            return None
        raise


def _is_off(domain: Any) -> bool:
    return not domain.isActive()


def _title(domain: Any) -> str:
    """What people call the server; its id where that cannot be had."""
    try:
        return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None))
    except libvirt.libvirtError:
        return str(domain.UUIDString())


def _machine_type(connection: Any, spec: ServerSpec, kind: str) -> str:
    known = _lookup(connection, spec.id)
    if known is not None and parse.is_ours(known):
        return parse.machine(known.XMLDesc(INACTIVE))
    return spec.hardware or parse.newest_machine(_capabilities(connection, kind))


def _capabilities(connection: Any, kind: str) -> str:
    return str(connection.getDomainCapabilities(None, "x86_64", "q35", kind))


def _admit(domain: Any) -> None:
    """Refuse a start for which there is no memory: QEMU takes it page by page, and others would pay for the last."""
    memory = domain.connect().getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    left = memory["free"] + memory.get("buffers", 0) + memory.get("cached", 0)
    wanted = domain.maxMemory()
    if wanted > left:
        raise NoRoom(
            f"cannot start server {_title(domain)}: it needs {wanted >> 10} MB of memory,"
            f" and this machine has {left >> 10} MB left",
            hint="stop a server, or give it less memory",
            details={"wanted_mb": wanted >> 10, "left_mb": left >> 10},
        )
