"""The command that sets a new engine up, from a file of answers or by asking."""

import shlex
import tomllib
from pathlib import Path
from typing import Any

import click

from origo import client
from origo.cli import output
from origo.errors import BadInput, reason, size


@click.command(name="setup")
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    help="A TOML file that has the answers; without it they are asked for.",
)
@output.planned
@output.as_json
def setup(answers: Path | None, plan: bool, json_: bool) -> None:
    """Set a new engine up: its name and domain, what pool 0 is made of, the first administrator.

    Nothing is left of one that fails, so it may be run again.
    """
    body = _read(answers) if answers else _ask()
    here = client.connect()
    if not answers and not plan and not json_:
        output.change(here.post("/engine/setup", body, plan=True), json_=False, plan=True)
        click.confirm("Set the engine up like this?", abort=True, err=True)
    output.change(here.post("/engine/setup", body, plan=plan), json_=json_, plan=plan)
    if not plan and not json_:
        output.line(f"recovery key: {here.post('/engine/recovery-key')['key']}")
        output.line("keep it apart from this machine: with it and a pool the engine can be recovered", err=True)


def _read(path: Path) -> dict[str, Any]:
    """The answers in a file; of [storage] all but `driver` are options of the driver."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the answers in {path}: {reason(error)}") from error
    storage = found.get("storage")
    if isinstance(storage, dict):
        options = {name: _option(value) for name, value in storage.items() if name != "driver"}
        found["storage"] = {"driver": storage.get("driver", "storage_rsync"), "options": options}
    return found


def _option(value: Any) -> str:
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _ask() -> dict[str, Any]:
    """The answers of a person."""
    offer = client.connect().get("/engine/setup")
    body: dict[str, Any] = {
        "name": _prompt("Name of the engine", default=offer["name"]),
        "domain": _prompt("Its domain (the engine will be origo.<domain>)", default=offer["domain"]),
    }
    for disk in offer["disks"]:
        output.line(f"empty: {disk['path']}  {size(disk['size_bytes'])}  {disk['model']}", err=True)
    devices = shlex.split(_prompt("Empty disks for ZFS, as paths (none: a folder of this disk)", default=""))
    if devices:
        body["storage"] = {"driver": "storage_zfs", "options": {"devices": " ".join(devices)}}
    for name, text in (("time_zone", "Time zone"), ("outer_interface", "Interface to the world outside")):
        said = _prompt(text, default=offer[name])
        # What is as it was stays found by itself, at the next boot too.
        if said != offer[name]:
            body[name] = said
    name = _prompt("Name of the first administrator", default="admin")
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return {**body, "administrator": {"name": name, "password": password}}


def _prompt(text: str, default: str) -> str:
    return str(click.prompt(text, default=default, show_default=bool(default), err=True))
