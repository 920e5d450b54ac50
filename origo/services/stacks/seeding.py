"""Telling a new server who it is, by a medium that it finds at its first boot."""

import json

from origo.model import CatalogStack, Server
from origo.operations.base import Context
from origo.services import naming
from origo.services.catalog import descriptor, seed
from origo.services.servers import spec, steps


class WriteSeed(steps.RemoveSeed):
    """The seed medium is written beside the server's first disk; only its guest can read it."""

    name = "write the seed medium"

    def plan(self, ctx: Context) -> list[str]:
        return [f"write {spec.seed_path(ctx.core, self.row())}"]

    def do(self, ctx: Context) -> None:
        server = self.row()
        path = spec.seed_path(ctx.core, server)
        ctx.core.local.write(path, seed.image(self.seed(ctx, server)), mode=0o600)

    def undo(self, ctx: Context) -> None:
        super().do(ctx)

    def seed(self, ctx: Context, server: Server) -> seed.Seed:
        """What the guest is told."""
        entry = CatalogStack.get_by_id(ctx.args["entry"])
        described = descriptor.read(entry.descriptor)
        member = next(member for member in described.members if server.member in member.servers)
        secret = json.loads(ctx.core.secrets.unseal(ctx.args["secret"])) if ctx.args["secret"] else {}
        return seed.Seed(
            instance=server.id,
            hostname=naming.host_name(server.name),
            stack=server.stack.name if server.stack else server.name,
            member=server.member,
            answers=ctx.args["answers"] | secret,
            mount=member.mount,
        )
