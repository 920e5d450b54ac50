"""Fakes as drivers that an engine loads by name; its hypervisor can be told to let servers change their state."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from origo.contracts import Power, StateEvent, Watch
from origo.hookspecs import Register, hookimpl
from origo.testing.fake_hypervisor import FakeHypervisor
from origo.testing.fake_network import FakeNetwork


class RestlessHypervisor(FakeHypervisor):
    """In a world with a file `restless.json` (`rate`, and `servers`: each the path of what it does and its id) servers
    are suspended and resumed in turn, `rate` times in a second, as long as there is a file `now`."""

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Follow it, and begin."""
        with contextlib.suppress(FileNotFoundError):
            told = json.loads((self.world / "restless.json").read_text())
            arguments = (told["rate"], told["servers"], on_event)
            threading.Thread(target=self._go_on, args=arguments, daemon=True).start()
        return super().watch(on_event)

    def _go_on(self, rate: int, servers: list[list[str]], on_event: Callable[[StateEvent], None]) -> None:
        began, done = time.monotonic(), 0
        while True:
            if not (self.world / "now").exists():
                time.sleep(0.05)
                began, done = time.monotonic(), 0
                continue
            path, id = servers[done % len(servers)]
            power = Power.SUSPENDED if Path(path).read_text() == Power.RUNNING else Power.RUNNING
            Path(path).write_text(power)
            on_event(StateEvent(id, power))
            done += 1
            time.sleep(max(0.0, began + done / rate - time.monotonic()))


@hookimpl
def register_drivers(register: Register) -> None:
    """Both by the name `fake`."""
    register("hypervisor", "fake", RestlessHypervisor)
    register("network", "fake", FakeNetwork)
