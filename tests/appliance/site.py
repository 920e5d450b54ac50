"""A site as tests have it: a machine with the package, set up on mirrored disks, as somebody outside sees it."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from origo.host.local import LocalHost
from origo.services.catalog.build_sources import sources_for
from tests.appliance.machine import Machine
from tests.appliance.package import MOMENT, answers, build, put_in
from tests.appliance.room import Room
from tests.appliance.tree import SUITE
from tests.house.source import ROOT

GIB = 1 << 30
PYTHON = "/usr/lib/origo/venv/bin/python3"
DOMAIN = "lab.test"
AUTHORITY = "/var/lib/origo/keys/front/authority.crt"
PASSWORD = "correct horse battery"
ANSWERS = f"""
name = "lab"
domain = "{DOMAIN}"

[administrator]
name = "anna"
password = "{PASSWORD}"

[storage]
driver = "storage_zfs"
devices = ["/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"]
"""


@dataclass
class Site:
    """A machine with an engine, and a browser outside that trusts its authority and keeps its cookies."""

    machine: Machine
    folder: Path
    package: Path
    key: str = ""

    def set_up(self) -> str:
        """Set the engine up by a file of answers; what the command said."""
        said = self.machine.run("origo setup --answers /root/answers.toml", timeout=300)
        self.key = re.search(r"recovery key: (\S+)", said)[1]  # type: ignore[index]
        self.trust()
        return said

    def trust(self) -> None:
        """The browser believes the engine's authority from now on, which is made once the engine has its domain."""
        ours = f"openssl x509 -noout -subject -in {AUTHORITY} | grep -F {DOMAIN}"
        self.machine.wait(lambda: self.machine.attempt(ours).status == 0, "the authority of the domain", timeout=120)
        (self.folder / "authority.crt").write_bytes(self.machine.get(AUTHORITY))

    def origo(self, command: str, timeout: float = 120) -> Any:
        """What `origo COMMAND --json` tells, in the machine."""
        return json.loads(self.machine.run(f"origo {command} --json", timeout=timeout))

    def hello(self) -> None:
        """Build and install the stack hello, and wait for its page."""
        self.machine.run("modprobe kvm_amd || true")
        self.machine.run("origo stacks build /usr/share/origo/stacks/hello", timeout=600)
        self.machine.run("origo stacks install hello", timeout=300)
        self.wait_page()

    def comes_up(self, timeout: float = 200) -> None:
        """Wait until the engine answers after a boot."""
        self.machine.wait(lambda: self.machine.attempt("origo engine show").status == 0, "the engine", timeout=timeout)

    def wait_page(self, stack: str = "hello", timeout: float = 300) -> None:
        """Wait until the engine says that the stack's page answers."""
        self.machine.wait(lambda: self.stack(stack).get("reachable"), f"the page of {stack}", timeout=timeout)

    def stack(self, name: str = "hello") -> dict[str, Any]:
        """A stack as the engine tells of it; without any, a host that nobody has."""
        found = self.machine.attempt(f"origo stacks show {name} --json")
        return json.loads(found.output) if found.status == 0 else {"host": f"none.origo.{DOMAIN}"}

    def curl(self, url: str, *options: str) -> str:
        """What the engine's front answers to the browser."""
        port = self.machine.ports[443]
        host = re.sub(r"https://([^/]+).*", r"\1", url)
        hosts = [word for name in {host, f"origo.{DOMAIN}"} for word in ("--resolve", f"{name}:{port}:127.0.0.1")]
        jar, authority = str(self.folder / "cookies"), str(self.folder / "authority.crt")
        base = ["curl", "-sS", "--max-time", "60", "-L", "--cacert", authority, "-c", jar, "-b", jar, *hosts]
        ended = subprocess.run(
            [*base, *options, url.replace(host, f"{host}:{port}", 1)], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def log_in(self) -> str:
        """Log in as the administrator; the page that one comes to."""
        origin = f"https://origo.{DOMAIN}"
        form = ["--data-urlencode", "name=anna", "--data-urlencode", f"password={PASSWORD}"]
        return self.curl(f"{origin}/login", *form, "-H", f"Origin: {origin}:{self.machine.ports[443]}")

    def enter(self, stack: str) -> str:
        """The stack's page, as one comes to it from the engine's."""
        host = self.stack(stack)["host"]
        port = self.machine.ports[443]
        return self.curl(
            f"https://origo.{DOMAIN}/enter/{host.partition('.')[0]}", "--resolve", f"{host}:{port}:127.0.0.1"
        )

    def counter(self) -> int:
        """How many visits the page of hello says it had."""
        text = self.enter("hello")
        found = re.search(r'id="count">(\d+)<', text)
        assert found, text
        return int(found[1])


def installed(room: Room, folder: Path, **options: Any) -> Site:
    """A machine on which the package was just installed, and answers for its set-up on the two empty disks that it has
    where no other `options` of Room.machine say otherwise."""
    package = build(ROOT, folder, MOMENT)
    usual = {"disks": {"a": 4 * GIB, "b": 4 * GIB}, "forward": [443], "egress": True}
    machine = room.machine(**usual | options)
    machine.boot()
    put_in(machine, package)
    answers(machine)
    machine.put(sources_for(LocalHost(), SUITE), "/etc/apt/sources.list.d/debian.sources")
    machine.put(ANSWERS, "/root/answers.toml")
    return Site(machine, folder, package)


def again(first: Site, room: Room, folder: Path) -> Site:
    """A machine with what the disks of `first` held when it was switched off for good; off."""
    disks = dict(first.machine.disks)
    machine = room.machine(base=first.machine.system, disks=disks, forward=[443], egress=True)
    site = Site(machine, folder, first.package, first.key)
    shutil.copy(first.folder / "authority.crt", folder)
    return site
