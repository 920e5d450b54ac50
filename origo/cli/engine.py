"""Commands about the engine, its nodes, plugins, issues and events."""

import click

from origo import client
from origo.cli import output
from origo.errors import Unavailable


@click.group(name="engine")
def engine() -> None:
    """The engine itself."""


@engine.command()
@output.as_json
def show(json_: bool) -> None:
    """Show name, version and addresses."""
    output.details(client.connect().get("/engine"), json_=json_)


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
