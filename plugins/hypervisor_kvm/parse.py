"""What libvirt says, as the words of the contract."""

from collections.abc import Mapping
from typing import Any

import libvirt
from lxml import etree
from origo_plugins.hypervisor_kvm import domain_xml

from origo.contracts import Power, StateEvent, Usage
from origo.errors import Unavailable

ASLEEP = {
    libvirt.VIR_DOMAIN_PAUSED_USER,
    libvirt.VIR_DOMAIN_PAUSED_SAVE,
    libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT,
    libvirt.VIR_DOMAIN_PAUSED_MIGRATION,
}
"""Why a domain stands still when somebody wanted it so; every other reason is trouble, also an unknown one: libvirt has
no other word for a processor that the accelerator could not emulate."""

CHANGES = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: Power.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: Power.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: Power.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: Power.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: Power.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: Power.CRASHED,
}
STOPPED_BY = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "crashed",
}
OFF_BY = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "crashed",
}
"""The same, asked for afterwards."""
HELD_BY = {
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR: "disk error",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG: "watchdog",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR: "hypervisor error",
}


def is_ours(domain: Any) -> bool:
    """Whether Origo made this domain: the name is our own of exactly this id. No call to the daemon is made."""
    return bool(domain.name() == domain_xml.name(domain.UUIDString()))


def is_starting(state: int, reason: int) -> bool:
    """Whether libvirt is still at starting it."""
    return bool(state == libvirt.VIR_DOMAIN_PAUSED and reason == libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)


def power(state: int, reason: int) -> Power:
    """What libvirt's state means."""
    if is_starting(state, reason):
        return Power.RUNNING
    if state == libvirt.VIR_DOMAIN_PAUSED:
        return Power.SUSPENDED if reason in ASLEEP else Power.PAUSED
    return {
        libvirt.VIR_DOMAIN_NOSTATE: Power.STOPPED,
        libvirt.VIR_DOMAIN_SHUTOFF: Power.STOPPED,
        libvirt.VIR_DOMAIN_SHUTDOWN: Power.STOPPING,
        libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
        libvirt.VIR_DOMAIN_PMSUSPENDED: Power.SUSPENDED,
    }.get(state, Power.RUNNING)


def reason(state: int, why: int) -> str:
    """Why a domain is off, as the event of its end has said it."""
    return OFF_BY.get(why, "") if state == libvirt.VIR_DOMAIN_SHUTOFF else ""


def change(id: str, event: int, detail: int) -> StateEvent | None:
    """What libvirt's life cycle event means; None for those that change no state."""
    if event not in CHANGES:
        return None
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        return StateEvent(id, Power.STOPPED, STOPPED_BY.get(detail, ""))
    if event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED and detail in HELD_BY:
        return StateEvent(id, Power.PAUSED, HELD_BY[detail])
    return StateEvent(id, CHANGES[event], "crashed" if event == libvirt.VIR_DOMAIN_EVENT_CRASHED else "")


def machine(xml: str) -> str:
    """The machine type of a domain."""
    kind = _root(xml).find("os/type")
    return "" if kind is None else str(kind.get("machine", ""))


def newest_machine(capabilities: str) -> str:
    """The full name of the machine type that was asked for by its short one."""
    return str(_root(capabilities).findtext("machine", "q35"))


def most_cpus(capabilities: str) -> int:
    """How many CPUs that machine type may have."""
    return int(_root(capabilities).find("vcpu").get("max"))


def screen(xml: str) -> tuple[str, int]:
    """Address and port of a running domain's VNC screen. Raises Unavailable when it has none."""
    graphics = _root(xml).find("devices/graphics[@type='vnc']")
    if graphics is None or int(graphics.get("port", "-1")) < 0:
        raise Unavailable("cannot open the screen: the server has none")
    return graphics.get("listen", "127.0.0.1"), int(graphics.get("port"))


def agent_listens(xml: str) -> bool:
    """Whether a program in the guest has opened the agent's channel."""
    channels = _root(xml).findall("devices/channel/target[@state='connected']")
    return any(target.get("name") == domain_xml.AGENT for target in channels)


def usage(values: Mapping[str, Any]) -> Usage:
    """A record of libvirt's bulk statistics."""
    return Usage(
        cpu_ns=values.get("cpu.time", 0),
        memory_bytes=values.get("balloon.rss", 0) * 1024,
        disk_read_bytes=_sum(values, "block", "rd.bytes"),
        disk_written_bytes=_sum(values, "block", "wr.bytes"),
        net_received_bytes=_sum(values, "net", "rx.bytes"),
        net_sent_bytes=_sum(values, "net", "tx.bytes"),
    )


def _sum(values: Mapping[str, Any], group: str, counter: str) -> int:
    return sum(values.get(f"{group}.{number}.{counter}", 0) for number in range(values.get(f"{group}.count", 0)))


def _root(xml: str) -> Any:
    return etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
