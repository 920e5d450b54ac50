"""A trial of Origo beside everything else on a machine: an engine, a stack, its page; nothing left of it afterwards."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from appliance.trial import home, messages, page, stack, trust
from appliance.trial.forwarder import Door, Forwarder
from appliance.trial.world import World
from origo import config
from origo.errors import OrigoError

IPV6_LOOPBACK = Path("/proc/sys/net/ipv6/conf/lo")


def main(arguments: list[str]) -> int:
    """Do what was asked; what goes wrong is a sentence, and the status 1."""
    options = read(arguments)
    path = options.home.absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if options.down:
            messages.say("stopped" if home.end(path) else "nothing runs in", path)
            return 0
        if options.purge:
            return purge(path)
        return run(path, options)
    except OrigoError as error:
        messages.fail(error)
        return 1
    except KeyboardInterrupt:
        return 130


def read(arguments: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="appliance/try", description=__doc__)
    parser.add_argument("--home", type=Path, default=home.DEFAULT, help="where it lives (%(default)s)")
    parser.add_argument("--stack", metavar="NAME", default="", help="the stack to install: one of appliance/stacks")
    parser.add_argument(
        "--listen", metavar="ADDRESS", default="", help="an address of this machine to be reached on too"
    )
    parser.add_argument("--internet", action="store_true", help="let guests reach the world outside")
    parser.add_argument("--trust", action="store_true", help="let this machine trust the engine's certificates")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="the whole round: up, the page checked, down, nothing left")
    what.add_argument("--down", action="store_true", help="stop the trial that runs in another terminal")
    what.add_argument("--purge", action="store_true", help="remove the home, and with it everything in it")
    return parser.parse_args(arguments)


def purge(path: Path) -> int:
    """Remove the home after asking; says what stays on the machine."""
    home.check_removable(path)
    if not messages.confirm(f"Remove {path} with all stacks, disks and settings in it?"):
        messages.say("kept", path)
        return 1
    trust.withdraw(path)
    home.remove(path)
    messages.say("removed", path)
    messages.what_stays()
    return 0


def run(path: Path, options: argparse.Namespace) -> int:
    """Bring everything up, stay or check, and take it down again."""
    recipe = stack.recipe(options.stack)
    new = home.make(path)
    with home.taken(path):
        if options.listen:
            others_domain()
        settings = config.load(path)
        forwarder = Forwarder(doors(path, settings, options.listen))
        world = World(path, internet=options.internet)
        with contextlib.closing(forwarder), up(world):
            forwarder.start()
            if options.trust:
                trust.give(path)
            found = stack.bring_up(world, recipe, wanted=bool(options.stack))
            if options.once:
                page.check(world, found)
            else:
                messages.announce(world, settings, options.listen)
                stay(world)
        if options.once and new:
            trust.withdraw(path)
    if options.once and new:
        home.remove(path)
        messages.say("removed", path)
    return 0


def doors(path: Path, settings: config.Config, listen: str) -> list[Door]:
    """Where the machine is to be listened on: loopback, and https on the address that was asked for."""
    plain, secure = path / "run" / "front-http.sock", path / "run" / "front-https.sock"
    inner = ["127.0.0.1", "::1"] if IPV6_LOOPBACK.exists() else ["127.0.0.1"]
    found = [Door(address, settings["https_port"], secure) for address in [*inner, *([listen] if listen else [])]]
    return [*found, *(Door(address, settings["http_port"], plain) for address in inner)]


def others_domain() -> None:
    """Every browser takes names in `localhost` for its own machine, so others need another domain."""
    os.environ.setdefault("ORIGO_DOMAIN", "test")


@contextlib.contextmanager
def up(world: World) -> Iterator[None]:
    """The engine runs in the block; after it guests have shut down and all of it is gone."""
    messages.say("starting the engine; its log is", world.log)
    try:
        world.start()
        yield
    finally:
        messages.say("shutting guests down and stopping (Ctrl-C again switches them off)")
        try:
            world.shut_down()
        except KeyboardInterrupt:
            world.kill()


def stay(world: World) -> None:
    """Show events until a person ends it. Raises Unavailable when the engine ends by itself."""
    events = world.follow("events", "--follow")
    try:
        while True:
            world.wait(1)
            if events.poll() is not None:
                events = world.follow("events", "--follow")
    except KeyboardInterrupt:
        print(flush=True)
    finally:
        events.terminate()
        events.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
