"""Commands about servers."""

import contextlib
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Any

import click

from origo import client
from origo.cli import output, sizes, verbs


@click.group(name="servers")
def group() -> None:
    """Servers: virtual machines."""


@group.command("list")
@click.option("--trash", is_flag=True, help="Those in the trash.")
@click.option("-q", default="", help="Only names that contain this.")
@output.as_json
def list_(trash: bool, q: str, json_: bool) -> None:
    """List servers."""
    found = client.connect().items("/servers", trash=trash, q=q)
    output.columns(found, ["id", "name", "power", "memory_mb", "cpus", "desired"], json_=json_)


@group.command()
@click.argument("server")
@output.as_json
def show(server: str, json_: bool) -> None:
    """Show a server with its disks and connections."""
    output.details(client.connect().get(f"/servers/{client.key(server)}"), json_=json_)


@group.command()
@click.argument("name")
@click.option("--memory", type=sizes.MEMORY, default="1G", show_default=True, help="Memory, such as 512M.")
@click.option("--cpus", type=int, default=1, show_default=True, help="Virtual CPUs.")
@click.option("--master", "masters", multiple=True, help="A disk cloned from this master (may be given again).")
@click.option("--image", "images", multiple=True, help="A disk that is there (may be given again).")
@click.option("--disk", "sizes_", type=sizes.DISK, multiple=True, help="An empty disk of this size (again).")
@click.option("--medium", "media", multiple=True, help="An ISO image in a drive (may be given again).")
@click.option("--network", default="", help="The network; by default your own first one.")
@click.option("--port", "ports", type=int, multiple=True, help="A port it serves (may be given again).")
@click.option("--boot", type=click.Choice(["disk", "cdrom", "network"]), default="disk", help="What it boots first.")
@click.option("--start/--no-start", default=True, help="Start it at once.")
@output.planned
@output.as_json
def create(name: str, plan: bool, json_: bool, **options: Any) -> None:
    """Create a server."""
    disks = [{"master": master} for master in options.pop("masters")]
    disks += [{"image": image} for image in options.pop("images")]
    disks += [{"size_bytes": size} for size in options.pop("sizes_")]
    body = {
        "name": name,
        "memory_mb": options.pop("memory"),
        "disks": disks,
        "media": list(options.pop("media")),
        "ports": list(options.pop("ports")),
        **options,
    }
    output.change(client.connect().post("/servers", body, plan=plan), json_=json_, plan=plan)


@group.command()
@click.argument("server")
@click.option("--name", default=None, help="A new name.")
@click.option("--memory", "memory_mb", type=sizes.MEMORY, default=None, help="Memory, such as 2G.")
@click.option("--cpus", type=int, default=None, help="Virtual CPUs.")
@output.planned
@output.as_json
def edit(server: str, plan: bool, json_: bool, **changes: Any) -> None:
    """Change a server; a running one notices at its next start."""
    body = {name: value for name, value in changes.items() if value is not None}
    output.change(client.connect().patch(f"/servers/{client.key(server)}", body, plan=plan), json_=json_, plan=plan)


verbs.delete(group, "server", "Move a server with its disks into the trash, powered off.")
verbs.add(group, "server", "start", "Start a server.")
verbs.add(group, "server", "shutdown", "Ask the guest to shut down, and wait until it has.")
verbs.add(group, "server", "poweroff", "Turn the power off, whatever the guest does.")
verbs.add(group, "server", "suspend", "Let a running server stand still.")
verbs.add(group, "server", "resume", "Let a suspended server go on.")
verbs.add(group, "server", "reset", "Push the reset button.")
verbs.add(group, "server", "rebuild", "Give a stopped server a fresh system disk; its data disk stays.")
verbs.add(group, "server", "undelete", "Take a server out of the trash.")
verbs.add(group, "server", "purge", "Remove a server in the trash for good.")


@group.command()
@click.argument("server")
def console(server: str) -> None:
    """Open the serial line of a running server; Ctrl-] hangs up."""
    answer = client.connect().post(f"/servers/{client.key(server)}/console")
    with socket.socket(socket.AF_UNIX) as line, _raw_terminal():
        line.connect(answer["socket"])
        click.echo(f"connected to {server}; Ctrl-] hangs up\r", err=True)
        while True:
            ready, _, _ = select.select([line, sys.stdin], [], [])
            if line in ready:
                data = line.recv(65536)
                if not data:
                    break
                os.write(sys.stdout.fileno(), data)
            if sys.stdin in ready:
                typed = os.read(sys.stdin.fileno(), 4096)
                if not typed or b"\x1d" in typed:
                    break
                line.sendall(typed)
    click.echo("\r\nhung up", err=True)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
