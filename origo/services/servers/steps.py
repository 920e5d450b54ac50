"""Defining, starting and stopping servers, as steps that stacks use too."""

from collections.abc import Sequence
from typing import Any

from origo.contracts import Hypervisor, Power, ServerSpec
from origo.model import Server
from origo.operations.base import Context, Step
from origo.services import nodes
from origo.services.servers import seeding, spec, states

STILL = (Power.SUSPENDED, Power.PAUSED)


class ServerStep(Step):
    """A step about one server; `was` is what it did before."""

    def __init__(self, server: str, *, was: str = "stopped") -> None:
        self.server = server
        self.was = was

    def row(self) -> Server:
        """The server's row as it is now."""
        return Server.get_by_id(self.server)

    def driver(self, ctx: Context) -> Hypervisor:
        """The hypervisor of its node."""
        return nodes.hypervisor(ctx.core, self.row().node)

    def define(self, ctx: Context, **changes: Any) -> None:
        """Let the hypervisor know the server as its row says, or with `changes`; its hardware is remembered."""
        row = self.row()
        hardware = self.driver(ctx).define(spec.build(ctx.core, row, **changes))
        if hardware != row.hardware:
            Server.update(hardware=hardware).where(Server.id == self.server).execute()

    def power(self, ctx: Context) -> Power:
        return states.now(self.driver(ctx), self.server)


class Define(ServerStep):
    """The hypervisor knows the server; `changes` stand for values its row has only when the operation is done."""

    name = "define the server"

    def __init__(self, server: str, *, new: bool, changes: dict[str, Any] | None = None) -> None:
        super().__init__(server)
        self.new = new
        self.changes = changes or {}

    def spec(self, ctx: Context) -> ServerSpec:
        """The server as it is to be."""
        return spec.build(ctx.core, self.row(), **self.changes)

    def plan(self, ctx: Context) -> list[str]:
        return self.driver(ctx).render(self.spec(ctx)).splitlines()

    def do(self, ctx: Context) -> None:
        self.define(ctx, **self.changes)

    def undo(self, ctx: Context) -> None:
        if self.new:
            self.driver(ctx).undefine(self.server)
        else:
            self.define(ctx)


class Renew(Define):
    """The hypervisor knows the server as its rows say, even if it had never heard of it."""

    def __init__(self, server: str) -> None:
        super().__init__(server, new=False)

    def undo(self, ctx: Context) -> None:
        """Nothing: the rows are the same before and after."""


class Undefine(ServerStep):
    """The hypervisor forgets the server."""

    name = "undefine the server"

    def plan(self, ctx: Context) -> list[str]:
        return [f"undefine server {self.row().name}"]

    def do(self, ctx: Context) -> None:
        self.driver(ctx).undefine(self.server)

    def undo(self, ctx: Context) -> None:
        self.define(ctx)


class Start(ServerStep):
    """The server runs, or has begun to and stands `still`; undone, it is stopped unless it was up before."""

    name = "start the server"

    def __init__(self, server: str, *, was: str = "stopped", still: bool = False) -> None:
        super().__init__(server, was=was)
        self.still = still

    def plan(self, ctx: Context) -> list[str]:
        return [f"start server {self.row().name}"]

    def do(self, ctx: Context) -> None:
        states.record(ctx.core, self.server, Power.RUNNING)
        seeding.start(ctx.core, self.driver(ctx), self.row())
        if self.still:
            Suspend(self.server).do(ctx)
        elif self.power(ctx) in STILL:
            self.driver(ctx).resume(self.server)

    def undo(self, ctx: Context) -> None:
        seeding.hide(ctx.core, self.row())
        power = self.power(ctx)
        if self.was in STILL and power is Power.RUNNING:
            self.driver(ctx).suspend(self.server)
        elif self.was in (Power.STOPPED, Power.CRASHED) and power is not Power.STOPPED:
            self.driver(ctx).stop(self.server, force=True)
        states.record(ctx.core, self.server, self.power(ctx))


class PowerOff(ServerStep):
    """The server's power is off."""

    name = "power the server off"

    def plan(self, ctx: Context) -> list[str]:
        return [f"power server {self.row().name} off"]

    def do(self, ctx: Context) -> None:
        if self.power(ctx) is not Power.STOPPED:
            self.driver(ctx).stop(self.server, force=True)
        states.record(ctx.core, self.server, Power.STOPPED)

    def undo(self, ctx: Context) -> None:
        if self.was not in (Power.STOPPED, Power.CRASHED):
            states.record(ctx.core, self.server, Power.RUNNING)
            seeding.start(ctx.core, self.driver(ctx), self.row())


class Shutdown(ServerStep):
    """The guest is asked to shut down, later if one of the servers `before` it is still up; that is watched."""

    name = "ask the guest to shut down"

    def __init__(self, server: str, *, before: Sequence[str] = ()) -> None:
        super().__init__(server)
        self.before = before

    def plan(self, ctx: Context) -> list[str]:
        return [f"ask the guest of server {self.row().name} to shut down"]

    def do(self, ctx: Context) -> None:
        if any(ServerStep(other).power(ctx) is not Power.STOPPED for other in self.before):
            ctx.log(f"{self.row().name} is asked when those that were started after it are down")
        elif self.power(ctx) is not Power.STOPPED:
            shut_down(self.driver(ctx), self.server)

    def undo(self, ctx: Context) -> None:
        """Nothing: a guest cannot be asked to forget that it was asked."""


class Suspend(ServerStep):
    """The server stands still; undone, it goes on unless it stood still before."""

    name = "suspend the server"

    def plan(self, ctx: Context) -> list[str]:
        return [f"suspend server {self.row().name}"]

    def do(self, ctx: Context) -> None:
        self.driver(ctx).suspend(self.server)
        states.record(ctx.core, self.server, Power.SUSPENDED)

    def undo(self, ctx: Context) -> None:
        if self.was not in STILL and self.power(ctx) is Power.SUSPENDED:
            self.driver(ctx).resume(self.server)
        states.record(ctx.core, self.server, self.power(ctx))


class Resume(ServerStep):
    """The server goes on; undone, it stands still again if it did before."""

    name = "resume the server"

    def plan(self, ctx: Context) -> list[str]:
        return [f"resume server {self.row().name}"]

    def do(self, ctx: Context) -> None:
        self.driver(ctx).resume(self.server)
        states.record(ctx.core, self.server, Power.RUNNING)

    def undo(self, ctx: Context) -> None:
        if self.was in STILL and self.power(ctx) is Power.RUNNING:
            self.driver(ctx).suspend(self.server)
        states.record(ctx.core, self.server, self.power(ctx))


class Reset(ServerStep):
    """The reset button is pushed."""

    name = "reset the server"
    commit = True

    def plan(self, ctx: Context) -> list[str]:
        return [f"reset server {self.row().name}"]

    def do(self, ctx: Context) -> None:
        self.driver(ctx).reset(self.server)

    def undo(self, ctx: Context) -> None:
        """Nothing: a reset that failed did not happen."""


class RemoveSeed(ServerStep):
    """The seed medium is removed for good."""

    name = "remove the seed medium"

    def plan(self, ctx: Context) -> list[str]:
        return [f"remove {spec.seed_path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        seeding.remove(ctx.core, self.row())

    def undo(self, ctx: Context) -> None:
        """Nothing: it is made again only with a new server."""


def shut_down(driver: Hypervisor, server: str) -> None:
    """Push the power button of a guest, which does not hear it while it stands still."""
    if driver.state(server) in STILL:
        driver.resume(server)
    driver.stop(server, force=False)
