"""The command `origo`: a group of commands for each noun, and `serve`."""

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from origo import VERSION
from origo.cli.nouns import Nouns
from origo.errors import Forbidden, OrigoError, size

if TYPE_CHECKING:
    from origo.app import App

# What a command needs besides is imported where it is used, so that the others are there at once.


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="origo")
def cli() -> None:
    """Origo: a private cloud. Commands talk to the engine whose home ORIGO_HOME names, or to ORIGO_URL."""


@cli.command()
@click.option("--home", type=click.Path(path_type=Path), help="The home.")
def serve(home: Path | None) -> None:
    """Run the engine: SIGTERM stops it and leaves servers running, SIGINT shuts them down before.

    Under systemd they are also shut down when the machine itself goes down.
    """
    from origo import config, log

    log.configure(pretty=sys.stderr.isatty())
    faulthandler.enable()  # systemd ends a hung daemon by SIGABRT: what each thread did is then in the journal
    stopped = threading.Event()
    seen: list[int] = []

    def stop(number: int, _frame: object) -> None:
        seen.append(number)
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    gc.disable()  # what is read now stays: there is nothing to collect, and later no need to look through it
    from origo import app, supervise
    from origo.host.local import LocalHost

    gc.freeze()
    gc.enable()
    supervise.await_home(LocalHost(), stopped)
    place = (home or config.home_from_environment()).absolute()
    while not seen:
        stopped.clear()
        _run(app.build(config.load(place)), stopped, seen)


@cli.command("support-bundle")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; by default one named after the time.")
def support_bundle(out: Path | None) -> None:
    """Gather how engine and machine are into one file, without secrets, for others to look at (only as root).

    It needs no running engine.
    """
    from origo import config
    from origo.cli import output
    from origo.host.local import LocalHost
    from origo.services.engine import support

    if os.geteuid() != 0:
        raise Forbidden("cannot gather this as an ordinary user", hint="run it as root")
    target = out or Path(f"origo-support-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    for name in support.write(LocalHost(), config.home_from_environment(), target):
        output.line(f"  {name}")
    output.line(
        f"{target}: {size(target.stat().st_size)}, with the parts above; passwords, keys, tokens and links are out"
    )
    output.line(f"look at it before you send it: it names servers, users and addresses (tar xzf {target})")


def _run(running: "App", stopped: threading.Event, seen: list[int]) -> None:
    """One engine until a signal was seen, or until it was restored and is to start anew."""
    running.start(again=stopped.set)
    if not seen:
        stopped.wait()
    running.stop(guests=seen[:1] == [signal.SIGINT], again=not seen)


def main() -> None:
    """Run a command; what goes wrong is a sentence, and the status 1."""
    try:
        cli(prog_name="origo")
    except OrigoError as error:
        from origo.cli import output

        output.say_error(error.message, error.hint)
        sys.exit(1)


if __name__ == "__main__":
    main()
