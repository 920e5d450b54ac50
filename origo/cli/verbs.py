"""Commands that name one thing and change it: the same for every noun."""

import click

from origo import client
from origo.cli import output


def add(group: click.Group, noun: str, verb: str, help: str) -> None:
    """The command `origo <nouns> <verb> <NOUN>`: POST to /<nouns>/<id>/<verb>, followed to its end."""

    @group.command(verb, help=help)
    @click.argument(noun)
    @output.planned
    @output.as_json
    def change(plan: bool, json_: bool, **named: str) -> None:
        answer = client.connect().post(f"/{group.name}/{client.key(named[noun])}/{verb}", plan=plan)
        output.change(answer, json_=json_, plan=plan, name=named[noun])


def delete(group: click.Group, noun: str, help: str) -> None:
    """The command `origo <nouns> delete <NOUN>`."""

    @group.command("delete", help=help)
    @click.argument(noun)
    @output.planned
    @output.as_json
    def change(plan: bool, json_: bool, **named: str) -> None:
        answer = client.connect().delete(f"/{group.name}/{client.key(named[noun])}", plan=plan)
        output.change(answer, json_=json_, plan=plan, name=named[noun])
