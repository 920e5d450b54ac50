"""Operations on real drivers: libvirt's domains, bridges, rules and dnsmasq of this world, as facts to be compared."""

import contextlib
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libvirt
from origo_plugins.hypervisor_kvm import parse
from origo_plugins.hypervisor_kvm.driver import KvmHypervisor
from origo_plugins.net_iptables.driver import IptablesNetwork
from origo_plugins.net_iptables.names import TABLE

from origo import model
from origo.contracts import Desired
from origo.host import Host, daemons
from origo.host.local import LocalHost
from origo.operations.core import Core
from origo.services import networks, nodes
from origo.services.servers import spec
from origo.supervise import Supervisor
from origo.testing import killing
from tests.functional.kinds import WatchedStorage, furnish, open_core

URI = "qemu:///system"
COUNTED = ("dnsmasq", "qemu-img", "qemu-system-x86")
"""Programs of which none may be left over (as the kernel cuts their names)."""


class WatchedKvm(KvmHypervisor):
    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        killing.watch(self, "hypervisor")


class WatchedIptables(IptablesNetwork):
    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        killing.watch(self, "network")


DRIVERS = {"hypervisor": WatchedKvm, "network": WatchedIptables, "storage": WatchedStorage}


class Machine:
    """What the drivers have made on this machine; its programs are noted in the folder `services`."""

    def __init__(self, services: Path) -> None:
        self.services = services

    def open(self, folder: Path) -> Core:
        """The parts of an engine, with the programs it needs running, as a starting daemon has them."""
        core = open_core(folder, DRIVERS, str(self.services))
        furnish(core)
        nodes.start_programs(core)
        killing.watch(core.supervisor, "supervisor")
        # Asked for now, so that no other thread runs commands for it while a trap counts them.
        nodes.hypervisor(core, model.Node.get()).info()
        return core

    def facts(self) -> dict[str, str]:
        """Domains, links with their addresses, rules, and programs."""
        return _domains() | _links() | _rules() | self._programs()

    def clear(self) -> None:
        """Remove all domains, programs of networks, bridges and rules."""
        with contextlib.suppress(libvirt.libvirtError):
            for domain in _ours(libvirt.open(URI)):
                if domain.isActive():
                    domain.destroy()
                domain.undefine()
        supervisor = Supervisor(str(self.services), lambda name, sentence: None)
        for name in supervisor.states():
            if name.startswith("network-"):
                supervisor.remove(name)
        IptablesNetwork(LocalHost(), {"state": str(self.services)}).apply(Desired({}, {}), None)

    def end(self) -> None:
        """End the programs."""
        Supervisor(str(self.services), lambda name, sentence: None).stop_all()

    def settle(self, folder: Path) -> None:
        """Make it as the rows say."""
        core = self.open(folder)
        networks.apply_all(core)
        for server in model.Server.select().where(model.Server.state == "ready"):
            driver = nodes.hypervisor(core, server.node)
            driver.define(spec.build(core, server))
            if server.power == "running":
                driver.start(server.id)

    def _programs(self) -> dict[str, str]:
        facts = {}
        for path in self.services.glob("*.json"):
            noted = json.loads(path.read_text())
            known = daemons.Daemon(noted["pid"], noted["started"], noted["boot"])
            facts[f"program {path.stem}"] = "runs" if daemons.alive(known) else "does not run"
        names = [_running(path) for path in Path("/proc").glob("[0-9]*/stat")]
        return facts | {f"processes {name}": str(names.count(name)) for name in COUNTED}


def _ours(connection: Any) -> list[Any]:
    return [domain for domain in connection.listAllDomains() if parse.is_ours(domain)]


def _domains() -> dict[str, str]:
    facts = {}
    for domain in _ours(libvirt.open(URI)):
        definition = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        digest = hashlib.sha256(definition.encode()).hexdigest()[:16]
        facts[f"domain {domain.name()}"] = f"{digest}, state {domain.state()[0]}, persistent {domain.isPersistent()}"
    return facts


def _links() -> dict[str, str]:
    facts = {}
    for link in json.loads(_ran("ip", "-j", "address")):
        own = sorted(f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet")
        flags = "up" if "UP" in link["flags"] else "down"
        facts[f"link {link['ifname']}"] = f"{flags}, on {link.get('master')}, {link.get('ifalias')}, {own}"
    return facts


def _rules() -> dict[str, str]:
    lines = [re.sub(r"\[\d+:\d+\]", "", line) for line in _ran("iptables-save").splitlines() if line[0] != "#"]
    guard = sorted(re.split(r"[\s,]+", _ran("nft", "list", "table", "bridge", TABLE, check=False)))
    return {"iptables": "\n".join(lines), "nft": " ".join(guard)}


def _ran(*argv: str, check: bool = True) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=30).stdout


def _running(stat: Path) -> str:
    """What runs there, by the name in parentheses; nothing for one that has ended and waits for its parent."""
    with contextlib.suppress(OSError):
        name, _, rest = stat.read_text(errors="replace").partition("(")[2].rpartition(")")
        return "" if rest.split()[0] in "ZX" else name
    return ""
