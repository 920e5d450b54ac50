"""Room for machines: a folder, a switch, and the promise that nothing of them is left, not even after a kill."""

import fcntl
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from origo.services.catalog import build_work
from tests.appliance.machine import Machine
from tests.appliance.switch import Switch
from tests.appliance.tree import CACHE, image

RUNS = CACHE / "runs"


class Room:
    """Makes machines; at the end of the block they are destroyed."""

    def __init__(self) -> None:
        self.image = image()
        RUNS.mkdir(parents=True, exist_ok=True)
        with build_work.alone(CACHE):
            _sweep()
            self.folder = Path(tempfile.mkdtemp(dir=RUNS))
            self._held = (self.folder / "lock").open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX)
        self._machines: list[Machine] = []
        self._switch: Switch | None = None

    def machine(self, name: str = "machine", **options: Any) -> Machine:
        """A new machine, off; the options are those of Machine."""
        self._machines.append(Machine(self.image, self.folder / name, **options))
        return self._machines[-1]

    def switch(self) -> Switch:
        """The room's one switch."""
        self._switch = self._switch or Switch(self.folder / "switch")
        return self._switch

    def close(self) -> None:
        """Destroy what was made."""
        for machine in self._machines:
            machine.destroy()
        if self._switch:
            self._switch.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None):
        self.close()


def _sweep() -> None:
    """Remove the rooms of runs that were killed: nobody holds their lock."""
    for lock in RUNS.glob("*/lock"):
        with lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock.parent, ignore_errors=True)
