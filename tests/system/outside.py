"""Another machine: a network namespace of its own, on a wire to this world, with this world's address known to it."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "192.0.2.1", "192.0.2.2"
WIRE = "wire0"
"""This world's end of the wire; its default route goes there first, and where it went before once the wire is gone."""


@dataclass(frozen=True)
class Outside:
    """What runs there: `enter` is the beginning of the command lines."""

    enter: tuple[str, ...] = ("ip", "netns", "exec", "outside")

    def run(self, *argv: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """A command there, as it ended."""
        return subprocess.run([*self.enter, *argv], capture_output=True, text=True, timeout=seconds)

    def reaches(self, port: int, address: str = HERE) -> bool:
        """Whether a connection to that port is made from there."""
        return self.run("socat", "-u", "OPEN:/dev/null", f"TCP:{address}:{port},connect-timeout=2").returncode == 0

    def browser(self, folder: Path) -> str:
        """A program that is Chromium there."""
        script = folder / "chromium"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.enter)} /usr/bin/chromium "$@"\n')
        script.chmod(0o755)
        return str(script)


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """Such a machine, as long as the block lasts."""
    for words in (
        "netns add outside",
        f"link add {WIRE} type veth peer name eth0 netns outside",
        f"address add {HERE}/24 dev {WIRE}",
        f"link set {WIRE} up",
        f"route prepend default via {THERE} dev {WIRE}",
        "-n outside link set lo up",
        f"-n outside address add {THERE}/24 dev eth0",
        "-n outside link set eth0 up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    try:
        yield Outside()
    finally:
        subprocess.run(["ip", "link", "delete", WIRE], check=False)
        subprocess.run(["ip", "netns", "delete", "outside"], check=True)
