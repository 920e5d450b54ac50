"""What a change has come to: one line that says how the thing is now, and where."""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from origo import client
from origo.errors import NotFound, Unavailable, size

Thing = Mapping[str, Any]

SHUTDOWN_SECONDS = 60
"""How long a guest is waited for that was asked to shut down."""
LOOK_SECONDS = 0.5


def say(operation: Mapping[str, Any], name: str) -> str:
    """The line about a change that is done; `name` is what a person called the thing, for when it is gone."""
    kind, path = operation["kind"], f"/{operation['noun']}/{operation['target']}"
    path = "/engine" if operation["noun"] == "engine" else path
    noun = "stack" if operation["noun"] == "catalog" else operation["noun"].removesuffix("s")
    if kind in GONE:
        return " ".join(word for word in (noun, name, GONE[kind]) if word)
    try:
        if kind in ASKED:
            _await_off(noun, path)
        thing = client.connect().get(path)
    except NotFound:
        return f"{noun} {name or operation['target']} is gone: somebody removed it meanwhile"
    return f"{noun} {thing['name']} {LINES[kind](thing)}"


def _await_off(noun: str, path: str) -> None:
    """Wait until what was asked to shut down has. Raises Unavailable on Ctrl-C, or when none has for a minute."""
    from rich.console import Console

    here = client.connect()
    thing = here.get(path)
    up, since = _still_up(thing), time.monotonic()
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    with console.status("") as status, contextlib.suppress(KeyboardInterrupt):
        while up and time.monotonic() - since < SHUTDOWN_SECONDS:
            status.update(waiting(up, time.monotonic() - since))
            time.sleep(LOOK_SECONDS)
            before, up = up, _still_up(here.get(path))
            since = since if up == before else time.monotonic()
    if up:
        raise Unavailable(
            f"cannot say when {noun} {thing['name']} stops: {' and '.join(up)} was asked to shut down and has not yet",
            hint="it may still do so; `origo servers poweroff` turns the power off, whatever the guest does",
        )


def waiting(up: Sequence[str], seconds: float) -> str:
    """For whom is waited, and how long already."""
    return f"waiting for {' and '.join(up)} to shut down, {seconds:.0f} s of {SHUTDOWN_SECONDS}"


def _still_up(thing: Thing) -> list[str]:
    """The servers of it that are to stop and have not."""
    members = thing.get("servers", [thing])
    return [server["name"] for server in members if server["power"] != "stopped" and server["desired"] == "stopped"]


def _stack(stack: Thing) -> str:
    if stack["power"] not in ("running", "starting"):
        return f"is {stack['power']}"
    if stack["page"] is None:
        return "runs"
    return f"runs: {_page(stack)}" if stack["reachable"] else f"starts; its page will be at {_page(stack)}"


def _page(stack: Thing) -> str:
    engine = urlsplit(client.connect().get("/engine")["urls"][0])
    port = f":{engine.port}" if engine.port else ""
    return f"{engine.scheme}://{stack['host']}{port}{stack['page']}"


def _server(server: Thing) -> str:
    if server["power"] != "running":
        return f"is {server['power']}"
    addresses = ", ".join(connection["address"] for connection in server["connections"])
    return f"runs: {addresses}" if addresses else "runs"


def _edited(server: Thing) -> str:
    when = "" if server["power"] == "stopped" else ", from its next start on"
    cpus = "1 CPU" if server["cpus"] == 1 else f"{server['cpus']} CPUs"
    return f"has {server['memory_mb']} MB of memory and {cpus}{when}"


def _certificate(engine: Thing) -> str:
    shown = client.connect().get("/engine/certificate")
    until = time.strftime("%Y-%m-%d", time.localtime(shown["until"]))
    return f"shows a certificate of {shown['issuer']} until {until}, for {', '.join(shown['names'])}"


def _image(image: Thing) -> str:
    return f"is there: {size(image['size_bytes'])}"


def _trashed(noun: str) -> Callable[[Thing], str]:
    return lambda thing: f"is in the trash; `origo {noun} undelete {thing['name']}` brings it back"


GONE = {
    "engine.restore": "is what the backup says, and starts anew",
    "images.purge": "is gone for good",
    "servers.purge": "is gone for good",
    "stacks.purge": "is gone for good, with its data",
    "networks.delete": "is deleted",
    "catalog.delete": "is not in the catalog any more",
}
ASKED = ("servers.shutdown", "stacks.stop")
LINES: Mapping[str, Callable[[Thing], str]] = {
    "engine.backup": lambda engine: "is backed up",
    **dict.fromkeys(("engine.set-certificate", "engine.order-certificate", "engine.remove-certificate"), _certificate),
    "engine.setup": lambda engine: f"is set up: {engine['urls'][0]}",
    "pools.create": lambda pool: f"is there: {pool['path']}, with {size(pool['free_bytes'])} free",
    "pools.export": lambda pool: f"may be mounted by {', '.join(pool['exported']) or 'no machine'}",
    "networks.create": lambda network: f"is there: {network['subnet']}",
    "images.create": _image,
    "images.import": _image,
    "images.clone": _image,
    "images.master": lambda image: "is a master now, and never changes again",
    "images.flatten": lambda image: "is independent of its master now",
    "images.grow": lambda image: f"has {size(image['size_bytes'])} now",
    "images.delete": _trashed("images"),
    "images.undelete": lambda image: "is back",
    "servers.create": _server,
    "servers.start": _server,
    "servers.shutdown": _server,
    "servers.poweroff": _server,
    "servers.suspend": _server,
    "servers.resume": _server,
    "servers.reset": lambda server: "starts anew",
    "servers.edit": _edited,
    "servers.rebuild": lambda server: "has a fresh system disk",
    "servers.delete": _trashed("servers"),
    "servers.undelete": lambda server: "is back, stopped",
    "catalog.build": lambda entry: f"is in the catalog; `origo stacks install {entry['name']}` installs it",
    "stacks.install": _stack,
    "stacks.start": _stack,
    "stacks.stop": _stack,
    "stacks.delete": _trashed("stacks"),
    "stacks.undelete": lambda stack: "is back, stopped",
}
