"""Telling a new server who it is, by a medium that it finds at its first boot."""

from origo.operations.base import Context
from origo.services.servers import seeding, spec, steps


class WriteSeed(steps.RemoveSeed):
    """The seed medium is written beside the server's first disk; its start adds the secrets for a moment."""

    name = "write the seed medium"

    def plan(self, ctx: Context) -> list[str]:
        return [f"write {spec.seed_path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        seeding.write(ctx.core, self.row())

    def undo(self, ctx: Context) -> None:
        super().do(ctx)
