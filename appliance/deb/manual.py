"""The man page and the shells' completions, from the commands themselves."""

import datetime

import click
from click.shell_completion import ShellComplete, get_completion_class

from origo.__main__ import cli
from origo.errors import Internal

HEAD = """\
.TH ORIGO 1 "{date}" "Origo {version}" "User commands"
.SH NAME
origo \\- private cloud: commands, and the engine itself
.SH SYNOPSIS
.B origo
.I noun verb
.RI [ arguments ]
.SH DESCRIPTION
Commands talk to the engine on this machine, which only root may do, or to the one that
.B ORIGO_URL
names, with the token in
.BR ORIGO_TOKEN .
A noun may be in the singular.
.SH COMMANDS
"""
TAIL = """\
.SH ENVIRONMENT
.TP
.B ORIGO_HOME
The home of the engine on this machine; /var/lib/origo where nothing else is said.
.TP
.B ORIGO_URL, ORIGO_TOKEN
Another machine's engine, and a token of a user there.
.SH FILES
.TP
.I /var/lib/origo
The engine: its database and keys, and pool 0. Settings are in
.I origo.toml
there.
.TP
.I /usr/share/origo/appliance.toml
What a setting is where nobody sets it.
.TP
.I /usr/share/origo/stacks
The recipes of stacks that come with Origo.
.SH EXIT STATUS
0 done, 1 failed, 2 wrong usage.
"""
PLACES = {
    "bash": "usr/share/bash-completion/completions/origo",
    "zsh": "usr/share/zsh/vendor-completions/_origo",
    "fish": "usr/share/fish/vendor_completions.d/origo.fish",
}


def page(version: str, moment: int) -> str:
    """The man page origo(1)."""
    date = f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%d}"
    parts = [HEAD.format(date=date, version=_plain(version))]
    for name, command in sorted(cli.read_all().items()):
        parts += _commands(name, command)
    return "".join([*parts, TAIL])


def completions() -> dict[str, str]:
    """The script of each shell, by the path at which it looks for it."""
    return {place: _completion(shell) for shell, place in PLACES.items()}


def _completion(shell: str) -> str:
    found = get_completion_class(shell)
    if found is None:
        raise Internal(f"cannot make the completion of {shell}: click does not know that shell")
    # (That of bash would first ask the bash of this machine how old it is.)
    return ShellComplete.source(found(cli, {}, "origo", "_ORIGO_COMPLETE"))


def _commands(name: str, command: click.Command) -> list[str]:
    if not isinstance(command, click.Group):
        return [_command(name, command)]
    parts = [f".SS origo {_plain(name)}\n{_plain(command.help or '')}\n"]
    for verb, one in sorted(command.commands.items()):
        parts += _commands(f"{name} {verb}", one)
    return parts


def _command(name: str, command: click.Command) -> str:
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    lines = [".TP", f".B origo {_plain(' '.join([name, *arguments]))}", _plain(command.help or "")]
    for one in command.params:
        if isinstance(one, click.Option):
            said = f"\\fB{_plain(', '.join((*one.opts, *one.secondary_opts)))}\\fR  {_plain(one.help or '')}".rstrip()
            lines += [".br", said]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text as troff shows it: no character of it commands anything."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text
