"""The real things that tests talk to: each is probed by really trying it, in a world of its own, once a run."""

import functools
import os
import pathlib
import subprocess
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRIVATE = ROOT / "appliance" / "private"
MARKER = pathlib.Path("/run/origo-private")

LIBVIRT = """
virtlogd -d && libvirtd -d || exit 1
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    virsh -c qemu:///system domcapabilities --virttype qemu >/dev/null 2>&1 && exit 0
    sleep 1
done
virsh -c qemu:///system version
"""
ZFS = """
zfs-fuse >/dev/null 2>&1
for n in 1 2 3 4 5 6 7 8 9 10; do zpool list >/dev/null 2>&1 && exit 0; sleep 1; done
zpool list
"""
IPTABLES = """
printf '*nat\\n:PROBE - [0:0]\\n-A PROBE -j RETURN\\nCOMMIT\\n' | iptables-restore --noflush &&
    iptables -w -t nat -S PROBE
"""
NGINX = """
cat >/run/probe.conf <<END
pid /run/probe.pid; error_log stderr; events {}
http { access_log off; server { listen 127.0.0.1:18080; location / { return 204; } } }
END
nginx -c /run/probe.conf && curl -fsS http://127.0.0.1:18080/
"""
SSH = "mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /run/probe && $(command -v sshd) -t -h /run/probe"
CHROMIUM = "chromium --headless --no-sandbox --disable-gpu --user-data-dir=/run/probe --dump-dom 'data:text/html,probe'"
ACME = """
cat >/run/probe.conf <<END
server:
    listen: [ "127.0.0.1@5353" ]
database:
    storage: /run
END
knotd -d -c /run/probe.conf && pebble -help 2>&1 | grep dnsserver
"""
MMDEBSTRAP = """
. /etc/os-release
mmdebstrap --simulate --variant=custom --mode=root --include=base-files "$VERSION_CODENAME" /dev/null
"""

PROBES = {
    "libvirt": LIBVIRT,
    "zfs": ZFS,
    "iptables": IPTABLES,
    "nginx": NGINX,
    "chromium": CHROMIUM,
    "ssh": SSH,
    "mmdebstrap": MMDEBSTRAP,
    "slirp4netns": "true",
    "pebble": ACME,
    "systemd": f"{ROOT / 'tests' / 'under-systemd'} systemctl show --property=Version",
}


@functools.cache
def trouble(backend: str) -> str:
    """Why this back end does not work here, in one line; empty when it does."""
    try:
        ended = subprocess.run(
            [PRIVATE, "--egress", "--", "sh", "-c", PROBES[backend]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"cannot use {backend} here: the probe did not end"
    if ended.returncode == 0:
        return ""
    said = ended.stdout.decode(errors="replace").strip().splitlines() or [f"exit status {ended.returncode}"]
    return f"cannot use {backend} here: {said[-1]}"


def required() -> bool:
    """Whether this run must fail rather than skip: in CI, and with ORIGO_REQUIRE=all."""
    return os.environ.get("CI") == "true" or os.environ.get("ORIGO_REQUIRE") == "all"


def in_private() -> bool:
    """Whether this process is inside `appliance/private`: its marker lies in the private /run."""
    return MARKER.exists()


def judge(backend: str, *, fail: Callable[[str], object], skip: Callable[[str], object]) -> None:
    """Skip a test whose back end does not work; fail it where that one is required, or outside the private world."""
    if backend not in PROBES:
        fail(f"cannot know the back end {backend!r}; those known are {', '.join(PROBES)}")
    if not in_private():
        fail(
            "cannot run a real test in the machine's own world: "
            "use `tests/run system`, or `appliance/private --egress .venv/bin/python -m pytest …`"
        )
    reason = trouble(backend)
    if reason:
        (fail if required() else skip)(reason)
