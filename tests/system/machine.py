"""A machine with things of its own, in a world of its own, and what it sees of them: run there, it prints JSON lines.

usage: python -m tests.system.machine TRY HOME
"""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

GUEST = """
<domain type="qemu">
  <name>machines-guest</name><memory unit="MiB">64</memory><vcpu>1</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
"""
RULES = """
*filter
:MACHINE - [0:0]
-A INPUT -p tcp --dport 2222 -j MACHINE
-A FORWARD -j DROP
-A MACHINE -j REJECT
COMMIT
"""
POOL = "/run/machine-pool"


def run(*argv: str, input: str = "") -> str:
    """What a command prints; it must succeed."""
    return subprocess.run(argv, input=input, capture_output=True, text=True, check=True).stdout


def until(*argv: str) -> None:
    """Wait until a command succeeds."""
    deadline = time.monotonic() + 60
    while subprocess.run(argv, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(" ".join(argv))
        time.sleep(0.3)


class Page(BaseHTTPRequestHandler):
    """The machine's own web server."""

    def do_GET(self) -> None:
        """Say whose page that is."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the machine's own page")

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet: the output is JSON."""


def furnish() -> None:
    """An autostart guest, a pool, firewall rules, a bridge, and a web server on port 80."""
    Path("/etc/libvirt/qemu.conf").write_text("cgroup_controllers = []\n")
    run("virtlogd", "-d")
    run("libvirtd", "-d")
    virsh = ("virsh", "-c", "qemu:///system")
    until(*virsh, "list")
    run(*virsh, "define", "/dev/stdin", input=GUEST)
    run(*virsh, "autostart", "machines-guest")
    run(*virsh, "start", "machines-guest")
    run("zfs-fuse")
    until("zpool", "list")
    run("truncate", "-s", "128M", POOL)
    run("zpool", "create", "-m", "/run/machine-tank", "tank", POOL)
    Path("/run/machine-tank/letter").write_text("kept")
    run("iptables-restore", "--noflush", input=RULES)
    run("nft", "add", "table", "inet", "machine")
    run("ip", "link", "add", "machine0", "type", "bridge")
    run("ip", "address", "add", "10.0.0.1/24", "dev", "machine0")
    run("ip", "link", "set", "machine0", "up")
    threading.Thread(target=HTTPServer(("", 80), Page).serve_forever, daemon=True).start()


def seen() -> dict[str, Any]:
    """All of it, as it is now; counters and times left out."""
    lines = [path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")]
    return {
        "guests": run("virsh", "-c", "qemu:///system", "list", "--all", "--autostart").split(),
        "guest processes": sum("guest=machines-guest" in line for line in lines),
        "pools": run("zpool", "list", "-H", "-o", "name,health"),
        "pool's file": Path("/run/machine-tank/letter").read_text(),
        "rules": re.sub(r"\[\d+:\d+\]|^#.*$", "", run("iptables-save"), flags=re.MULTILINE),
        "tables": run("nft", "list", "tables"),
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "addresses": run("ip", "-4", "-br", "address"),
        "routes": run("ip", "route"),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "page": urllib.request.urlopen("http://127.0.0.1:80/", timeout=5).read().decode(),  # noqa: S310
        "files": sorted(str(path) for folder in ("/etc/libvirt", "/etc/zfs") for path in Path(folder).rglob("*")),
        "in /run": sorted(path.name for path in Path("/run").iterdir()),
        "certificates": sorted(path.name for path in Path("/usr/local/share/ca-certificates").iterdir()),
    }


def programs() -> list[str]:
    """What runs, by name."""
    return sorted(path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm"))


def show(moment: str) -> None:
    """One line of JSON."""
    print(json.dumps({"moment": moment, "seen": seen(), "programs": programs()}), flush=True)


def main(trial: str, home: str) -> int:
    """Before, during and after a trial."""
    furnish()
    show("before")
    process = subprocess.Popen([trial, "--home", home], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "to stop" in line:
            break
    show("during")
    run(trial, "--home", home, "--down")
    process.wait()
    run(trial, "--home", home, "--purge", input="y\n")
    show("after")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
