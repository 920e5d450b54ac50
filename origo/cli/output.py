"""What commands print: tables and progress bars for people, JSON for programs.

Rich, which draws them, is read only once something is drawn: help and JSON are there sooner.
"""

import datetime
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from origo import client
from origo.cli import outcomes
from origo.errors import size

ABOVE = ("owner", "stack", "server", "node")
"""What a thing inside of another one has in common with it."""

Options = Callable[[Callable[..., Any]], Callable[..., Any]]

as_json: Options = click.option("--json", "json_", is_flag=True, help="Print JSON.")
planned: Options = click.option("--plan", is_flag=True, help="Show what would be done, and change nothing.")


def columns(items: Iterable[Mapping[str, Any]], names: Sequence[str], *, json_: bool) -> None:
    """Print a list: as a table with these columns, or as JSON with everything."""
    if json_:
        document(list(items))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), no_wrap=name == "id")
    for item in items:
        table.add_row(*(Text(_harmless(_text(name, item.get(name)))) for name in names))
    wide = None if sys.stdout.isatty() else 200
    Console(width=wide, highlight=False).print(table)


def details(item: Mapping[str, Any], *, json_: bool) -> None:
    """Print one thing: a line for each value, or JSON."""
    if json_:
        document(item)
        return
    for name, value in item.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            line(f"{name.replace('_', ' ')}:")
            columns(value, [key for key in value[0] if key not in ABOVE], json_=False)
        else:
            line(f"{name.replace('_', ' ')}: {_text(name, value)}")


def line(text: str, *, err: bool = False) -> None:
    """Print a text as it is, but for signs that would command the terminal: some of it may come from strangers."""
    click.echo(_harmless(text), err=err)


def document(value: Any) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2))


def change(answer: Mapping[str, Any], *, json_: bool, plan: bool, name: str = "") -> None:
    """Follow the operation that was answered to its end and say what it came to, or print the plan.

    `name` is what a person called the thing. Ends with status 1 when the operation failed.
    """
    if not came_to(answer, json_=json_, plan=plan, name=name):
        raise SystemExit(1)


def came_to(answer: Mapping[str, Any], *, json_: bool, plan: bool, name: str = "", where: str = "") -> bool:
    """Do the same, and return whether it did not fail; `where` is put at the end of the line."""
    if plan:
        _show_plan(answer, json_=json_)
        return True
    operation = follow(answer, quiet=json_)
    if json_:
        document(operation)
    if operation["status"] != "done":
        error = operation["error"] or {"message": f"cannot finish: the operation is {operation['status']}", "hint": ""}
        say_error(error["message"], error["hint"])
        return False
    if not json_:
        line(f"{outcomes.say(operation, name)}{where}")
    return True


def follow(operation: Mapping[str, Any], *, quiet: bool = False) -> Mapping[str, Any]:
    """Show a progress bar until the operation is over; returns it as it is then."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(operation["kind"], total=1.0)
        try:
            for state in client.connect().follow(operation):
                operation = state
                label = _harmless(f"{state['kind']} {state['note']}".strip())
                bar.update(task, completed=state["progress"], description=label)
        except KeyboardInterrupt:
            say_error(
                f"cannot say how operation {operation['id']} ends: it goes on by itself",
                f"origo operations show {operation['id']} tells, origo operations cancel {operation['id']} undoes it",
            )
            raise SystemExit(1) from None
    return operation


def pairs(words: Iterable[str]) -> dict[str, str]:
    """What `--option name=value` says. Raises click's UsageError for what is no such pair."""
    for word in words:
        if "=" not in word:
            raise click.UsageError(f"--option {word}: write it as name=value")
    return dict(word.split("=", 1) for word in words)


def say_error(message: str, hint: str = "") -> None:
    """Print an error as a sentence, with what to do."""
    line(message, err=True)
    if hint:
        line(f"  {hint}", err=True)


def _show_plan(plan: Mapping[str, Any], *, json_: bool) -> None:
    if json_:
        document(plan)
        return
    for number, step in enumerate(plan["steps"], start=1):
        line(f"{number}. {step['name']}" + ("  (no way back after this)" if step["commit"] else ""))
        for text in step["lines"]:
            line(f"     {text}")
    cost = plan["cost"]
    takes, gives = _amounts(cost), _amounts({name: -count for name, count in cost.items() if name != "downtime"})
    parts = [*([f"takes {takes}"] if takes else []), *([f"gives back {gives}"] if gives else [])]
    line("; ".join([*(parts or ["takes no room"]), f"downtime: {cost['downtime']}"]))


def _amounts(cost: Mapping[str, Any]) -> str:
    """What of a cost is more than nothing, in words."""
    memory, cpus, disk, addresses = (cost[name] for name in ("memory_mb", "cpus", "disk_bytes", "addresses"))
    words = {
        f"{memory} MB of memory": memory,
        f"{cpus} CPU{'' if cpus == 1 else 's'}": cpus,
        f"{_text('_bytes', disk)} of disk": disk,
        f"{addresses} address{'' if addresses == 1 else 'es'}": addresses,
    }
    return ", ".join(text for text, count in words.items() if count > 0)


def _text(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if name.endswith("_bytes") and isinstance(value, int):
        return size(value)
    if name in ("created", "trashed", "started", "ended", "time", "since", "until", "renewed") and isinstance(
        value, (int, float)
    ):
        return _time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(key, one)}" for key, one in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value) or "-"
    return str(value)


def _harmless(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in text)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
