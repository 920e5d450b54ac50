"""A second machine for tests of distant hosts: namespaces of its own with an sshd, joined to this one by a cable."""

import time
from pathlib import Path
from types import TracebackType

from origo.errors import Unavailable
from origo.host import Job, LocalHost, SshHost, job

PRIVATE = "/etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/zfs /var/lib/zfs"

# $1 is its name, $2 the folder with its keys. Settings of libvirt are copied, its guests are not.
START = f"""
set -e
hostname "$1"
mount -t proc proc /proc
mkdir "$2/settings"
cp /etc/libvirt/*.conf "$2/settings" 2>/dev/null || true
for folder in /run /dev/shm {PRIVATE}; do
    if [ -d "$folder" ]; then mount -t tmpfs tmpfs "$folder"; fi
done
cp "$2/settings/"* /etc/libvirt 2>/dev/null || true
if [ -f /root/.bashrc ]; then mount --bind /dev/null /root/.bashrc; fi
mkdir -p /run/sshd /run/lock
exec /usr/sbin/sshd -D -E "$2/log" -f "$2/sshd_config"
"""

SSHD = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
ListenAddress {address}
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""


class SecondMachine:
    """Files are shared with this machine (except /run and what libvirt and ZFS keep); processes and network are not.

    Only for a world made by `appliance/private`: it adds a link and a named network namespace to where it is called.
    """

    def __init__(self, folder: Path, *, number: int = 1) -> None:
        """`folder` is empty and its path short; `number` tells machines apart, 1 to 30."""
        self.name = f"second{number}"
        self.folder = folder
        self.link = f"to-{self.name}"
        self.address = f"192.168.{220 + number}.2"
        self.own_address = f"192.168.{220 + number}.1"
        self._here = LocalHost()
        self._group = f"second-machine-{folder}"
        self._hosts: list[SshHost] = []

    def __enter__(self) -> "SecondMachine":
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.close()
        self._here.end(self._group)
        self._run("ip", "netns", "delete", self.name, check=False)

    def host(self, **changes: str) -> SshHost:
        """It as a Host; `changes` replace what the constructor of SshHost is given."""
        given = {
            "address": self.address,
            "host_key": (self.folder / "host.pub").read_text(),
            "identity": str(self.folder / "user"),
            "folder": str(self.folder / "ssh"),
        }
        given.update(changes)
        host = SshHost(self.name, given.pop("address"), **given)  # type: ignore[arg-type]
        self._hosts.append(host)
        return host

    def cut(self) -> None:
        """Take the cable out."""
        self._run("ip", "link", "set", self.link, "down")

    def mend(self) -> None:
        """Put the cable in again."""
        self._run("ip", "link", "set", self.link, "up")

    def _start(self) -> None:
        for key in ("host", "user"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(self.folder / key))
        (self.folder / "sshd_config").write_text(SSHD.format(folder=self.folder, address=self.address))
        self._run("ip", "netns", "add", self.name)
        self._run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self._run("ip", "address", "add", f"{self.own_address}/30", "dev", self.link)
        self._run("ip", "-n", self.name, "address", "add", f"{self.address}/30", "dev", "eth0")
        self._run("ip", "-n", self.name, "link", "set", "lo", "up")
        self._run("ip", "-n", self.name, "link", "set", "eth0", "up")
        self.mend()
        unshare = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        argv = ["ip", "netns", "exec", self.name, *unshare, "sh", "-c", START, "sh", self.name, str(self.folder)]
        with job(Job(self._group)):
            self._run("sh", "-c", 'exec 2>"$0" >&2 </dev/null; setsid "$@" &', str(self.folder / "start-log"), *argv)
        self._wait()

    def _wait(self) -> None:
        host = self.host()
        deadline = time.monotonic() + 15
        while True:
            try:
                host.run(["true"])
                return
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _run(self, *argv: str, check: bool = True) -> None:
        self._here.run(argv, check=check)
