"""What a trial says to the person at the terminal."""

import getpass
import os
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from appliance.trial.world import World
from origo.config import Config
from origo.errors import CommandFailed, OrigoError

PACKAGES = Path("/var/lib/origo-packages")


def say(*words: object) -> None:
    """One line about what goes on."""
    print("try:", *words, flush=True)


def fail(error: OrigoError) -> None:
    """What went wrong, and what can be done."""
    print(f"try: {error.message}", file=sys.stderr, flush=True)
    if error.hint:
        print(f"     {error.hint}", file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Whether a person answers yes; no answer is none."""
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def announce(world: World, settings: Config, listen: str) -> None:
    """Where everything is, and how to go on."""
    http, https = settings["http_port"], settings["https_port"]
    urls = world.ask("engine", "show")["urls"]
    lines = ["", f"  Origo          {'  '.join(urls)}"]
    stacks = [stack for stack in world.ask("stacks", "list") if stack["page"] is not None]
    lines += [f"  {stack['name']:<14} {page_url(urls[0], stack)}" for stack in stacks]
    lines += [f"  first log-in   {link}" for link in setup_link(world)]
    if listen:
        names = " ".join([settings.host_name, *(stack["host"] for stack in stacks)])
        lines.append(f"  from elsewhere needs, in that machine's hosts file: {listen} {names}")
    lines += [f"  over ssh       {line}" for line in ssh_line(http, https)]
    lines += [f"  commands       ORIGO_HOME={world.home} {Path(sys.executable).with_name('origo')} --help"]
    lines += ["  to stop        Ctrl-C; the next start restores what runs now", ""]
    print("\n".join(lines), flush=True)


def page_url(engine: str, stack: dict[str, Any]) -> str:
    """Where a stack's own page is, beside the engine's URL."""
    parts = urllib.parse.urlsplit(engine)
    return f"{parts.scheme}://{stack['host']}:{parts.port}{stack['page']}"


def setup_link(world: World) -> list[str]:
    """The one-time link for the first administrator; none once there is one."""
    try:
        return [str(world.ask("users", "setup-link")["url"])]
    except CommandFailed:
        return []


def ssh_line(http: int, https: int) -> list[str]:
    """The command that brings the pages to where a person came from by ssh; none without ssh."""
    connection = ssh_connection()
    if not connection:
        return []
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return [f"ssh -L {http}:127.0.0.1:{http} -L {https}:127.0.0.1:{https} {user}@{connection.split()[2]}"]


def ssh_connection() -> str:
    """SSH_CONNECTION of this process, or of the nearest one above it: sudo does not pass it on."""
    process = os.getpid()
    while process > 1:
        folder = Path("/proc", str(process))
        for entry in (folder / "environ").read_bytes().split(b"\0"):
            if entry.startswith(b"SSH_CONNECTION=") and len(entry.split()) == 4:
                return entry.partition(b"=")[2].decode()
        # The second word after the command's closing parenthesis is the parent.
        process = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return ""


def what_stays() -> None:
    """What the trial put on the machine besides its home."""
    say("what stays: the folder .venv of this checkout")
    if PACKAGES.is_file():
        names = PACKAGES.read_text().split()
        say(f"what stays: {len(names)} Debian packages, listed in {PACKAGES}; to remove them:")
        print(f"     xargs -a {PACKAGES} apt-get purge", flush=True)
