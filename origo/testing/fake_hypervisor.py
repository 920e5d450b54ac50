"""A hypervisor whose servers are files: what it was told to define and what each is doing survives any kill."""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from origo.contracts import (
    Confinement,
    Consoles,
    ConsoleStream,
    Facts,
    Hypervisor,
    Lack,
    Power,
    Reasons,
    ServerSpec,
    StateEvent,
    Usage,
    Watch,
)
from origo.errors import Conflict, NoRoom, NotFound, Unavailable, Unsupported
from origo.host import Host

SHUTDOWN_SECONDS = 0.05
FORMATS = ("qcow2", "raw")
BOOT = ("disk", "cdrom", "network")
HARDWARE = "paper"
MAX_CPUS = 64
MEMORY_MB = 1 << 20

_listeners: dict[str, list[Callable[[StateEvent], None]]] = {}
_lines: dict[tuple[str, str], "Echo"] = {}
_telling = threading.RLock()
"""Held while listeners are told, and while one leaves: whoever has left is told nothing any more."""


class FakeHypervisor(Hypervisor, Confinement, Consoles, Reasons):
    """Option `world` (by default what `state` says) is the folder of its servers: `servers/<id>.json` what one is,
    `power/<id>` what it does, `reason/<id>` why it stopped.

    A file `<world>/fail/<method>` makes that method raise Unavailable with the file's text; each line of
    `<world>/lacks` is something the host lacks; the file `<world>/unconfined` says what is missing of confinement;
    a file `<world>/deaf` makes guests ignore the power button; a file `<world>/strangers/<id>` is a server that is
    not ours.
    """

    def __init__(self, host: Host, options: Mapping[str, str]) -> None:
        super().__init__(host, options)
        self.world = Path(options.get("world") or options["state"])

    def check(self) -> list[Lack]:
        """What a test says it lacks."""
        path = self.world / "lacks"
        return [Lack(line, "remove the file") for line in path.read_text().splitlines()] if path.exists() else []

    def unconfined(self) -> Lack | None:
        """What a test says."""
        path = self.world / "unconfined"
        return Lack(path.read_text(), "remove the file", fatal=False) if path.exists() else None

    def info(self) -> Facts:
        """Like a hypervisor with backing files."""
        self._fail("info")
        return Facts(
            "Files instead of servers",
            version="1",
            formats=FORMATS,
            backing_files=True,
            max_cpus=MAX_CPUS,
            notes={"accelerator": "nothing runs at all"},
        )

    def render(self, spec: ServerSpec) -> str:
        """The file's text."""
        return json.dumps(asdict(replace(spec, hardware=spec.hardware or HARDWARE)), indent=1, sort_keys=True)

    def define(self, spec: ServerSpec) -> str:
        """Write the file."""
        self._fail("define")
        if (self.world / "strangers" / spec.id).exists():
            raise Conflict(f"cannot define server {spec.name}: another has its id")
        if spec.cpus > MAX_CPUS:
            raise Unsupported(f"cannot define server {spec.name}: it has more than {MAX_CPUS} CPUs")
        for disk in spec.disks:
            if disk.format not in FORMATS:
                raise Unsupported(f"cannot define server {spec.name}: {disk.path} is of format {disk.format}")
        if spec.boot not in BOOT:
            raise Unsupported(f"cannot define server {spec.name}: it cannot boot from {spec.boot}")
        self._write("servers", spec.id, self.render(spec))
        return spec.hardware or HARDWARE

    def undefine(self, id: str) -> None:
        """Remove the file."""
        self._fail("undefine")
        if not self._path("servers", id).exists():
            return
        if self._power(id) is not Power.STOPPED:
            raise Conflict(f"cannot undefine server {id}: it runs")
        self._path("power", id).unlink(missing_ok=True)
        self._path("reason", id).unlink(missing_ok=True)
        self._path("servers", id).unlink(missing_ok=True)

    def start(self, id: str) -> None:
        """Runs."""
        self._fail("start")
        if self.state(id) not in (Power.STOPPED, Power.CRASHED):
            return
        spec = json.loads(self._path("servers", id).read_text())
        if spec["memory_mb"] > MEMORY_MB:
            raise NoRoom(f"cannot start server {spec['name']}: there are {MEMORY_MB} MB of memory")
        self._become(id, Power.RUNNING)

    def stop(self, id: str, *, force: bool) -> None:
        """Stops at once, or after a moment."""
        self._fail("stop")
        if self.state(id) is Power.STOPPED:
            return
        if force:
            self._become(id, Power.STOPPED)
        elif not (self.world / "deaf").exists():
            timer = threading.Timer(SHUTDOWN_SECONDS, self._shut_down, [id])
            timer.daemon = True
            timer.start()

    def suspend(self, id: str) -> None:
        """Stands still."""
        self._fail("suspend")
        self._running(id)
        self._become(id, Power.SUSPENDED)

    def resume(self, id: str) -> None:
        """Goes on."""
        self._fail("resume")
        self._running(id)
        self._become(id, Power.RUNNING)

    def reset(self, id: str) -> None:
        """Nothing that a file would show."""
        self._fail("reset")
        self._running(id)

    def state(self, id: str) -> Power:
        """What the file says."""
        if not self._path("servers", id).exists():
            raise NotFound(f"cannot find server {id}")
        return self._power(id)

    def reason(self, id: str) -> str:
        """What the file says, if there is one."""
        path = self._path("reason", id)
        return path.read_text() if self.state(id) is Power.STOPPED and path.exists() else ""

    def list(self) -> Mapping[str, Power]:
        """All files."""
        self._fail("list")
        return {path.stem: self._power(path.stem) for path in (self.world / "servers").glob("*.json")}

    def stats(self) -> Mapping[str, Usage]:
        """Nothing is used."""
        return {id: Usage() for id, power in self.list().items() if power is not Power.STOPPED}

    def watch(self, on_event: Callable[[StateEvent], None]) -> Watch:
        """Events of this process only."""
        listeners = _listeners.setdefault(str(self.world), [])
        listeners.append(on_event)

        def close() -> None:
            with _telling, contextlib.suppress(ValueError):
                listeners.remove(on_event)

        return Watch(close)

    def serial(self, id: str) -> ConsoleStream:
        """An echo, one for each server."""
        self._running(id)
        self._hang_up(id)
        _lines[str(self.world), id] = line = Echo()
        return line

    def screen(self, id: str) -> tuple[str, int]:
        """An address where nothing listens."""
        self._running(id)
        return "127.0.0.1", 5900

    def _running(self, id: str) -> None:
        if self.state(id) is Power.STOPPED:
            raise Conflict(f"cannot do this with server {id}: it is stopped")

    def _hang_up(self, id: str) -> None:
        line = _lines.pop((str(self.world), id), None)
        if line is not None:
            line.close()

    def _shut_down(self, id: str) -> None:
        with contextlib.suppress(NotFound):
            if self.state(id) is not Power.STOPPED:
                self._become(id, Power.STOPPED, "shutdown")

    def _become(self, id: str, power: Power, reason: str = "") -> None:
        if self._power(id) is power:
            return
        if reason:
            self._write("reason", id, reason)
        else:
            self._path("reason", id).unlink(missing_ok=True)
        self._write("power", id, power)
        if power is Power.STOPPED:
            self._hang_up(id)
        with _telling:
            for on_event in list(_listeners.get(str(self.world), ())):
                on_event(StateEvent(id, power, reason))

    def _power(self, id: str) -> Power:
        try:
            return Power(self._path("power", id).read_text())
        except FileNotFoundError:
            return Power.STOPPED

    def _path(self, folder: str, id: str) -> Path:
        return self.world / folder / (f"{id}.json" if folder == "servers" else id)

    def _write(self, folder: str, id: str, text: str) -> None:
        path = self._path(folder, id)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)

    def _fail(self, method: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            raise Unavailable((self.world / "fail" / method).read_text().strip() or f"cannot {method}: told to fail")


class Echo(ConsoleStream):
    """Gives back what is typed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._typed = b""
        self._open = True

    def receive(self, timeout: float) -> bytes | None:
        """What was typed."""
        with self._changed:
            self._changed.wait_for(lambda: self._typed or not self._open, timeout)
            data, self._typed = self._typed, b""
            return data or (None if self._open else b"")

    def send(self, data: bytes) -> None:
        """Keep it."""
        with self._changed:
            if not self._open:
                raise Unavailable("cannot type into the console: the line is closed")
            self._typed += data
            self._changed.notify_all()

    def close(self) -> None:
        """Hang up."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
