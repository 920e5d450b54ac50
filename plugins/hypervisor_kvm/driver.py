"""libvirt's domains as servers: only those with our metadata are seen."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping

import libvirt
from lxml import etree
from origo_plugins.hypervisor_kvm import domain_xml

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

QEMU_CONF = """# Written by Origo at each start.
security_driver = "none"
cgroup_controllers = []
"""

_loop = threading.Lock()
_loop_started = False


def _run_loop() -> None:
    global _loop_started
    with _loop:
        if _loop_started:
            return
        libvirt.virEventRegisterDefaultImpl()
        libvirt.registerErrorHandler(lambda _context, _error: None, None)

        def run() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=run, name="libvirt", daemon=True).start()
        _loop_started = True


class KvmHypervisor(Hypervisor, Consoles, Services):
    """Options: `uri`, `daemon` (own or system)."""

    def __init__(self, host, options) -> None:
        super().__init__(host, options)
        self.uri = options.get("uri", "qemu:///system")
        self._guard = threading.Lock()
        self._connection = None

    def check(self) -> list[Lack]:
        return []

    def info(self) -> Facts:
        return Facts("libvirt and QEMU", formats=("qcow2", "raw"), backing_files=True)

    def services(self) -> tuple[ServiceSpec, ...]:
        if self.options.get("daemon") != "own":
            return ()
        return (
            ServiceSpec("virtlogd", ("virtlogd",), ready="/run/libvirt/virtlogd-sock"),
            ServiceSpec(
                "libvirtd",
                ("libvirtd",),
                files={"/etc/libvirt/qemu.conf": QEMU_CONF},
                ready="/run/libvirt/libvirt-sock",
            ),
        )

    def render(self, spec: ServerSpec) -> str:
        return domain_xml.domain(spec, accelerated=False, machine="q35")

    def define(self, spec: ServerSpec) -> None:
        with self._errors(f"define server {spec.name}"):
            self._open().defineXMLFlags(self.render(spec), 0)

    def undefine(self, id: str) -> None:
        with self._errors(f"undefine server {id}"):
            try:
                found = self._find(id)
            except NotFound:
                return
            if found.isActive():
                raise Conflict(f"cannot undefine server {id}: it runs")
            found.undefine()

    def start(self, id: str) -> None:
        with self._errors(f"start server {id}"):
            found = self._find(id)
            if not found.isActive():
                found.create()

    def stop(self, id: str, *, force: bool) -> None:
        with self._errors(f"stop server {id}"):
            found = self._find(id)
            if not found.isActive():
                return
            if force:
                found.destroy()
            else:
                found.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def suspend(self, id: str) -> None:
        with self._errors(f"suspend server {id}"):
            self._running(id).suspend()

    def resume(self, id: str) -> None:
        with self._errors(f"resume server {id}"):
            self._running(id).resume()

    def reset(self, id: str) -> None:
        with self._errors(f"reset server {id}"):
            self._running(id).reset()

    def state(self, id: str) -> Power:
        with self._errors(f"see server {id}"):
            return _STATES.get(self._find(id).state()[0], Power.STOPPED)

    def list(self) -> Mapping[str, Power]:
        with self._errors("list servers"):
            found = self._open().listAllDomains()
            return {one.UUIDString(): _STATES.get(one.state()[0], Power.STOPPED) for one in found if _ours(one)}

    def stats(self) -> Mapping[str, Usage]:
        return {}

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        connection = self._open()

        def called(_connection, domain, event, detail, _opaque) -> None:
            power = _EVENTS.get(event)
            if power is not None:
                why = "shutdown" if event == 5 and detail == 0 else ""
                on_event(StateEvent(domain.UUIDString(), power, why))

        number = connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, called, None)
        return Watch(lambda: connection.domainEventDeregisterAny(number))

    def serial(self, id: str) -> ConsoleStream:
        raise Unavailable("later")

    def screen(self, id: str) -> tuple[str, int]:
        found = etree.fromstring(self._running(id).XMLDesc())
        return "127.0.0.1", int(found.find("devices/graphics").get("port"))

    def _open(self):
        with self._guard:
            if self._connection is None or not self._connection.isAlive():
                _run_loop()
                try:
                    self._connection = libvirt.open(self.uri)
                except libvirt.libvirtError as error:
                    raise Unavailable(f"cannot reach libvirt: {error}") from error
                self._connection.setKeepAlive(5, 3)
            return self._connection

    def _find(self, id: str):
        try:
            found = self._open().lookupByUUIDString(id)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                raise NotFound(f"cannot find server {id}") from error
            raise
        if not _ours(found):
            raise NotFound(f"cannot find server {id}")
        return found

    def _running(self, id: str):
        found = self._find(id)
        if not found.isActive():
            raise Conflict(f"cannot do this with server {id}: it is stopped")
        return found

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except libvirt.libvirtError as error:
            text = f"cannot {what}: {error.get_error_message()}"
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                raise NotFound(text) from error
            if "allocate memory" in text:
                raise NoRoom(text) from error
            raise OrigoError(text) from error


def _ours(domain) -> bool:
    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, domain_xml.NAMESPACE)
    except libvirt.libvirtError:
        return False
    return True


_STATES = {1: Power.RUNNING, 2: Power.RUNNING, 3: Power.SUSPENDED, 4: Power.RUNNING, 5: Power.STOPPED, 6: Power.CRASHED}
_EVENTS = {2: Power.RUNNING, 3: Power.SUSPENDED, 4: Power.RUNNING, 5: Power.STOPPED, 8: Power.CRASHED}
