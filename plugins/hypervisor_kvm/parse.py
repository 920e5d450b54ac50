"""What libvirt answers, as plain data."""

from collections.abc import Mapping
from typing import Any

import libvirt
from lxml import etree

from origo.contracts import Usage
from origo.errors import Unavailable


def machine(xml: str) -> str:
    """The machine type of a domain."""
    kind = _root(xml).find("os/type")
    return "" if kind is None else str(kind.get("machine", ""))


def newest_machine(capabilities: str) -> str:
    """The full name of the machine type that was asked for by its short one."""
    return _root(capabilities).findtext("machine", "q35")


def screen(xml: str) -> tuple[str, int]:
    """Address and port of a running domain's VNC screen. Raises Unavailable when it has none."""
    graphics = _root(xml).find("devices/graphics[@type='vnc']")
    if graphics is None or int(graphics.get("port", "-1")) < 0:
        raise Unavailable("cannot open the screen: the server has none")
    return graphics.get("listen", "127.0.0.1"), int(graphics.get("port"))


def name(domain: libvirt.virDomain) -> str:
    """What people call the server."""
    try:
        return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None))
    except libvirt.libvirtError:
        return str(domain.UUIDString())


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
