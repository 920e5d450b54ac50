"""Commands about the certificate of the engine's pages, in the group `engine`."""

import re
from pathlib import Path
from typing import Any, TextIO

import click

from origo import client
from origo.cli import output

STATEMENT = re.compile(
    r'key\s+"?([^\s"{]+)"?\s*\{\s*algorithm\s+"?([^\s";]+)"?\s*;\s*secret\s+"?([^\s";]+)"?\s*;', re.IGNORECASE
)
"""A key as `tsig-keygen` writes it."""
ADDRESS = re.compile(r"\[([^\]]+)\](?::([0-9]+))?|([^:\[\]]+)(?::([0-9]+))?|([^\[\]]+)")
"""[ADDRESS]:PORT, NAME:PORT, or an address with many colons."""


@click.command("show-certificate")
@output.as_json
def show(json_: bool) -> None:
    """Show the certificate of the engine's pages: its names, who signed it, until when, when it is renewed."""
    output.details(client.connect().get("/engine/certificate"), json_=json_)


@click.command("set-certificate")
@click.option("--chain", type=click.File(), required=True, help="The certificate and, after it, those that signed it.")
@click.option("--key", type=click.File(), required=True, help="Its private key.")
@output.planned
@output.as_json
def set_(chain: TextIO, key: TextIO, plan: bool, json_: bool) -> None:
    """Let the engine's pages show a certificate of your own."""
    body = {"chain": chain.read(), "key": key.read()}
    output.change(client.connect().post("/engine/certificate", body, plan=plan), json_=json_, plan=plan)


@click.command("order-certificate")
@click.option("--directory", help="The address of the ACME server's directory; by default that of Let's Encrypt.")
@click.option("--directory-authority", type=click.File(), help="Who vouches for that server, if nobody known does.")
@click.option("--email", help="Whom the authority may write to.")
@click.option("--agree-terms", is_flag=True, help="You agree to that server's terms of service.")
@click.option("--account-id", help="The id of an account at that authority's own site, where it wants one (EAB).")
@click.option("--account-key", type=click.File(), help="A file with the key of that account.")
@click.option("--dns-server", help="The name server that takes updates, as a name or address, with :PORT if not 53.")
@click.option("--dns-key", type=click.File(), help="The key for updates, as `tsig-keygen` writes it.")
@click.option("--hook", type=click.Path(path_type=Path), help="Root's program that is called to change DNS.")
@output.planned
@output.as_json
def order(
    directory: str | None,
    directory_authority: TextIO | None,
    email: str | None,
    agree_terms: bool,
    account_id: str | None,
    account_key: TextIO | None,
    dns_server: str | None,
    dns_key: TextIO | None,
    hook: Path | None,
    plan: bool,
    json_: bool,
) -> None:
    """Order a certificate from an ACME server, such as Let's Encrypt, now and whenever it is near its end.

    With --dns-server, or with --hook, it is for all pages there will ever be. Without either the names are proven over
    http, and each new page is ordered for once it is there.
    """
    if bool(dns_server) != bool(dns_key):
        raise click.UsageError("--dns-server and --dns-key belong together")
    if bool(account_id) != bool(account_key):
        raise click.UsageError("--account-id and --account-key belong together")
    body: dict[str, Any] = {"agreed": agree_terms}
    body |= {"directory": directory} if directory else {}
    body |= {"authority": directory_authority.read()} if directory_authority else {}
    body |= {"email": email} if email else {}
    body |= {"external": {"id": account_id, "key": account_key.read().strip()}} if account_key else {}
    body |= {"hook": str(hook)} if hook else {}
    body |= {"dns": _updates(dns_server, dns_key.read())} if dns_server and dns_key else {}
    output.change(client.connect().post("/engine/certificate/order", body, plan=plan), json_=json_, plan=plan)


@click.command("renew-certificate")
@output.planned
@output.as_json
def renew(plan: bool, json_: bool) -> None:
    """Order the certificate again, in the way it was ordered before; this is also done by itself."""
    output.change(client.connect().post("/engine/certificate/renew", plan=plan), json_=json_, plan=plan)


@click.command("remove-certificate")
@output.planned
@output.as_json
def remove(plan: bool, json_: bool) -> None:
    """Let the engine's pages show a certificate of the engine's own authority again."""
    output.change(client.connect().delete("/engine/certificate", plan=plan), json_=json_, plan=plan)


COMMANDS = (show, set_, order, renew, remove)


def _updates(server: str, key: str) -> dict[str, Any]:
    """What the options about DNS say."""
    found = STATEMENT.search(key)
    if not found:
        raise click.UsageError('--dns-key: the file has no key of the form key "NAME" { algorithm …; secret "…"; };')
    address = ADDRESS.fullmatch(server)
    if not address:
        raise click.UsageError(f"--dns-server {server}: write it as NAME, NAME:PORT or [ADDRESS]:PORT")
    inside, port, name, its_port, bare = address.groups()
    ports = {"port": int(number)} if (number := port or its_port) else {}
    named = {"key_name": found[1], "algorithm": found[2].lower(), "secret": found[3]}
    return {"server": inside or name or bare, **ports, **named}
