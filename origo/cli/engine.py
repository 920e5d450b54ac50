"""Commands about the engine, its nodes, plugins, issues and events."""

from typing import TextIO

import click

from origo import client
from origo.cli import certificates, output
from origo.errors import OrigoError, Unavailable


@click.group(name="engine")
def engine() -> None:
    """The engine itself."""


for command in certificates.COMMANDS:
    engine.add_command(command)


@engine.command()
@output.as_json
def show(json_: bool) -> None:
    """Show name, version and addresses."""
    output.details(client.connect().get("/engine"), json_=json_)


@engine.command("recovery-key")
def recovery_key() -> None:
    """Make the key that opens the engine's backups, and print it this once (only as root at the machine)."""
    key = client.connect().post("/engine/recovery-key")["key"]
    output.line(key)
    output.line("keep it apart from this machine: without it no backup of the engine can be read", err=True)


@engine.command()
@click.option("--pool", help="Only into this pool, by number or name; by default into each.")
@output.planned
@output.as_json
def backup(pool: str | None, plan: bool, json_: bool) -> None:
    """Write a backup of the engine itself: database, keys, settings. This is also done every day."""
    here = client.connect()
    failed = False
    for one in [pool] if pool else [str(found["name"]) for found in here.items("/pools")]:
        if plan and not json_:
            output.line(f"into pool {one}:")
        try:
            answer = here.post("/engine/backups", {"pool": one}, plan=plan)
            well = output.came_to(answer, json_=json_, plan=plan, where=f" into pool {one}")
        except OrigoError as error:
            output.say_error(error.message, error.hint)
            well = False
        if not well:
            failed = True
            output.line(f"the engine is not backed up into pool {one}", err=True)
    if failed:
        raise SystemExit(1)


@engine.command("list-backups")
@output.as_json
def list_backups(json_: bool) -> None:
    """List the backups of the engine, the newest first."""
    output.columns(client.connect().items("/engine/backups"), ["name", "pool", "created"], json_=json_)


KEY_FILE = click.option(
    "--key-file", type=click.File(), help="A file that has the recovery key; by default it is asked for."
)


@engine.command()
@click.argument("name", default="")
@click.option("--pool", default="0", help="The pool that has it, by number or name.")
@KEY_FILE
@output.planned
@output.as_json
def restore(name: str, pool: str, key_file: TextIO | None, plan: bool, json_: bool) -> None:
    """Let the engine be what a backup says, by default the newest of pool 0; servers run on.

    What it was until then is kept beside it in the home.
    """
    body = {"name": name, "pool": pool, "key": _recovery_key(key_file)}
    output.change(client.connect().post("/engine/restore", body, plan=plan), json_=json_, plan=plan)


@engine.command()
@click.option("--id", default=0, show_default=True, help="The number that the pool had.")
@click.option("--driver", default="storage_rsync", show_default=True, help="storage_rsync or storage_zfs.")
@click.option("--path", default="", help="The folder where it was; by default below the home.")
@click.option("--option", "options", multiple=True, help="An option of the driver, as name=value (may be given again).")
@click.option(
    "--take", is_flag=True, help="Take a pool that another machine used last and never gave back, if nobody uses it."
)
@KEY_FILE
@output.planned
@output.as_json
def recover(options: tuple[str, ...], key_file: TextIO | None, plan: bool, json_: bool, **pool: str | int) -> None:
    """Let this new engine be one that was lost, by a pool of it.

    The newest backup in that one, and in the others that it had, as far as they are connected, is taken.
    """
    body = {**pool, "options": output.pairs(options), "key": _recovery_key(key_file)}
    output.change(client.connect().post("/engine/recover", body, plan=plan), json_=json_, plan=plan)


def _recovery_key(file: TextIO | None) -> str:
    return file.read().strip() if file else str(click.prompt("Recovery key", hide_input=True, err=True))


@click.group(name="nodes")
def nodes() -> None:
    """Nodes: the machines that run servers."""


@nodes.command("list")
@output.as_json
def list_nodes(json_: bool) -> None:
    """List nodes."""
    found = client.connect().items("/nodes")
    output.columns(found, ["id", "name", "hypervisor", "state", "cpus", "memory_mb", "memory_promised_mb"], json_=json_)


@nodes.command("show")
@click.argument("node")
@output.as_json
def show_node(node: str, json_: bool) -> None:
    """Show a node, with what its hypervisor can do and why."""
    output.details(client.connect().get(f"/nodes/{client.key(node)}"), json_=json_)


@click.group(name="plugins")
def plugins() -> None:
    """Plugins: drivers of hypervisors, storage and networks."""


@plugins.command("list")
@output.as_json
def list_plugins(json_: bool) -> None:
    """List plugins, and why one is unavailable."""
    found = client.connect().items("/plugins")
    output.columns(found, ["name", "state", "kinds", "summary", "reason"], json_=json_)


@click.group(name="issues")
def issues() -> None:
    """Issues: what is wrong now."""


@issues.command("list")
@output.as_json
def list_issues(json_: bool) -> None:
    """List what is wrong, with its remedy."""
    output.columns(client.connect().items("/issues"), ["id", "severity", "sentence", "remedy", "created"], json_=json_)


@issues.command()
@click.argument("issue")
def dismiss(issue: str) -> None:
    """Close an issue; it comes back if the trouble does."""
    client.connect().delete(f"/issues/{client.key(issue)}")
    output.line(f"issue {issue} is closed")


@click.command(name="events")
@click.option("--follow", is_flag=True, help="Go on as things happen.")
@click.option("--after", type=int, default=0, help="Only events after this id.")
@output.as_json
def events(follow: bool, after: int, json_: bool) -> None:
    """Show what happened."""
    here = client.connect()
    found = here.events(after=after or -1) if follow else here.get("/events/list", after=after)["items"]
    for event in found:
        if json_:
            output.document(event)
        else:
            data = " ".join(f"{name}={value}" for name, value in event["data"].items())
            output.line(f"{event['id']} {event['kind']} {event['target']} {data}")
    if follow:
        raise Unavailable("cannot follow events any longer: the engine stops, or you were logged out")


@click.command(name="doctor")
@output.as_json
def doctor(json_: bool) -> None:
    """Check everything that can be checked on this engine; ends with status 1 when something is wrong."""
    checks = client.connect().get("/engine/doctor")["items"]
    if json_:
        output.document(checks)
    else:
        for check in checks:
            output.line(f"{'ok  ' if check['ok'] else 'FAIL'} {check['about']}: {check['sentence']}")
            if check["remedy"]:
                output.line(f"       {check['remedy']}")
    if not all(check["ok"] for check in checks):
        raise SystemExit(1)
