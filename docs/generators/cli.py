"""The page of the command line: every command, with its options, as `--help` says them."""

import click

from origo.__main__ import cli

HEAD = """# Command line

Made from the commands themselves. `origo <noun> <verb>`; a noun may be in the singular. On the engine's machine
commands talk to the home that `ORIGO_HOME` names (root only); elsewhere to `ORIGO_URL` with `ORIGO_TOKEN`. Exit status:
0 done, 1 failed, 2 wrong usage.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, command in sorted(cli.read_all().items()):
        parts += _commands(name, command, 2)
    return "".join(parts)


def _commands(name: str, command: click.Command, level: int) -> list[str]:
    if not isinstance(command, click.Group):
        return [_command(name, command, level)]
    parts = [f"\n{'#' * level} origo {name}\n{command.help}\n"]
    for verb, one in sorted(command.commands.items()):
        parts += _commands(f"{name} {verb}", one, level + 1)
    return parts


def _command(name: str, command: click.Command, level: int) -> str:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    usage = " ".join(["origo", name, *(one.make_metavar(click.Context(command)) for one in arguments)])
    lines = [f"\n{'#' * level} `{usage}`", command.help or ""]
    lines += [f"* `{', '.join((*one.opts, *one.secondary_opts))}` {one.help or ''}".rstrip() for one in options]
    return "\n".join(lines) + "\n"
