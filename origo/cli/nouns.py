"""Where the commands of each noun are: they are read when they are asked for, so that no other one has to wait."""

import importlib
from collections.abc import Mapping

import click

PLACES = {
    "catalog": "origo.cli.catalog:group",
    "doctor": "origo.cli.engine:doctor",
    "engine": "origo.cli.engine:engine",
    "events": "origo.cli.engine:events",
    "images": "origo.cli.images:group",
    "issues": "origo.cli.engine:issues",
    "networks": "origo.cli.networks:group",
    "nodes": "origo.cli.engine:nodes",
    "operations": "origo.cli.operations:group",
    "plugins": "origo.cli.engine:plugins",
    "pools": "origo.cli.pools:group",
    "servers": "origo.cli.servers:group",
    "setup": "origo.cli.setup:setup",
    "stacks": "origo.cli.stacks:group",
    "users": "origo.cli.users:group",
}
"""A noun, or a verb that has none: its module, and what it is called there."""


class Nouns(click.Group):
    """Groups by noun; `origo server` is `origo servers`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._read(cmd_name) or self._read(f"{cmd_name}s")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            self.read_all()  # click finds the one that was meant only among those that were read
        name, command, rest = super().resolve_command(ctx, args)
        return (command.name if command else name), command, rest

    def read_all(self) -> Mapping[str, click.Command]:
        """Every command by its name."""
        for name in PLACES:
            self._read(name)
        return self.commands

    def _read(self, name: str) -> click.Command | None:
        if name in PLACES and name not in self.commands:
            module, _, called = PLACES[name].partition(":")
            self.add_command(getattr(importlib.import_module(module), called), name)
        return self.commands.get(name)
