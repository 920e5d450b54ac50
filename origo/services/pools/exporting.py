"""Letting other machines mount pools: one file with what all pools export, which the machine's NFS server obeys."""

import ipaddress
import posixpath
from collections.abc import Sequence
from typing import Any

from origo import supervise
from origo.contracts import Exports
from origo.errors import BadInput, CommandFailed, Conflict, Unavailable
from origo.model import Pool
from origo.operations.base import Context, Lock, Operation, Step
from origo.operations.core import Core
from origo.services import pools
from origo.services.access import SYSTEM
from origo.services.pools.operations import described

FILE = "exports"
"""In the home of an engine that is not its machine's own; nobody serves what it says."""
SERVED = "/etc/exports.d/origo.exports"
SETTINGS = "/etc/nfs.conf.d/origo.conf"
NEWEST_ONLY = b"""\
# Written by Origo, with the first pool that other machines may mount.
[nfsd]
vers3=n
vers4=y
vers4.0=n
vers4.1=n
vers4.2=y
"""
SERVER = "/usr/sbin/exportfs"
VERSIONS = "/proc/fs/nfsd/versions"
HEAD = "# What the engine's pools let other machines mount; written by Origo.\n"


def ensure(core: Core) -> None:
    """Let the machine export what the rows say, such as after a boot, when pools were mounted after its NFS server."""
    wanted = text(core)
    if wanted or core.local.exists(_path(core)):
        _apply(core, wanted)


def renew(core: Core, pool: Pool) -> None:
    """Let the machine export a pool that is there again, to whom it did before. Raises OrigoError."""
    if pool.exported:
        core.operations.submit(ExportPool(), {"pool": pool.id, "to": pool.exported}, by=SYSTEM.id)


def text(core: Core, pool: int = -1, addresses: Sequence[str] = ()) -> str:
    """What all pools that are there export, empty if none does; `pool` as if it did to those addresses."""
    lines = []
    for row in Pool.select().where(Pool.state == "ready").order_by(Pool.id):
        to, driver = addresses if row.id == pool else row.exported, pools.driver(core, row)
        if to and isinstance(driver, Exports):
            lines.append(driver.exports(pools.spec(row), to))
    return HEAD + "".join(lines) if lines else ""


def _path(core: Core) -> str:
    return SERVED if supervise.runs_us() else core.config.path(FILE)


def _apply(core: Core, wanted: str) -> None:
    """Write the file, and let the NFS server go by it if this engine is its machine's own."""
    path = _path(core)
    if not wanted:
        core.local.remove(path)
    elif not core.local.exists(path) or core.local.read(path).decode() != wanted:
        if supervise.runs_us():
            core.local.make_folder(posixpath.dirname(path), mode=0o755)
        core.local.write(path, wanted.encode(), mode=0o644)
    if not supervise.runs_us() or not core.local.exists(SERVER):
        return
    try:
        if wanted:
            _serve(core)
        core.local.run([SERVER, "-ra"], timeout=120)
    except CommandFailed as error:
        raise Unavailable(
            f"cannot export pools: {error.message}", hint="`systemctl status nfs-server` says more"
        ) from error


def _serve(core: Core) -> None:
    """Let the NFS server run, with NFS 4.2 alone; one that ran before speaks older versions until it starts anew."""
    if not core.local.exists(SETTINGS):
        core.local.make_folder(posixpath.dirname(SETTINGS), mode=0o755)
        core.local.write(SETTINGS, NEWEST_ONLY, mode=0o644)
    core.local.run(["systemctl", "enable", "--quiet", "--now", "nfs-server.service"], timeout=120)
    if "+3" in core.local.read(VERSIONS).decode().split():
        core.local.run(["systemctl", "restart", "nfs-server.service"], timeout=120)


class ApplyExports(Step):
    """The machine's NFS server lets those machines mount the pool, and no others."""

    name = "apply the exports"

    def plan(self, ctx: Context) -> list[str]:
        return self._text(ctx, ctx.args["to"]).splitlines()

    def do(self, ctx: Context) -> None:
        _apply(ctx.core, self._text(ctx, ctx.args["to"]))

    def undo(self, ctx: Context) -> None:
        _apply(ctx.core, self._text(ctx, ctx.data["exported"]))

    def _text(self, ctx: Context, addresses: Sequence[str]) -> str:
        return text(ctx.core, ctx.data["pool"]["id"], addresses)


class ExportPool(Operation):
    """Those machines may mount a pool, or (no address) none may."""

    kind = "pools.export"
    targets = "pools"

    def prepare(self, ctx: Context) -> None:
        pool = pools.find(ctx.args["pool"])
        if pool.state == "creating":
            raise Conflict(f"cannot export pool {pool.name}: it is still being made")
        if not isinstance(pools.driver(ctx.core, pool), Exports):
            raise Conflict(f"cannot export pool {pool.name}: its driver {pool.driver} knows no NFS")
        if ctx.args["to"] and supervise.runs_us() and not ctx.core.local.exists(SERVER):
            raise Unavailable(
                f"cannot export pool {pool.name}: this machine has no NFS server",
                hint="apt install nfs-kernel-server",
            )
        ctx.data["pool"] = described(pool)

    def earlier(self, ctx: Context) -> dict[str, Any]:
        return {"exported": Pool.get_by_id(ctx.data["pool"]["id"]).exported}

    def target(self, ctx: Context) -> str:
        return str(ctx.data["pool"]["id"])

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock("exports")]

    def steps(self, ctx: Context) -> list[Step]:
        return [ApplyExports()]

    def finish(self, ctx: Context) -> None:
        Pool.update(exported=ctx.args["to"]).where(Pool.id == ctx.data["pool"]["id"]).execute()


def addresses(given: Sequence[str]) -> list[str]:
    """Those addresses as they are written, each once. Raises BadInput for what is none.

    Python takes any text after the `%` of an IPv6 address for its zone; neither exports(5) nor nft knows zones.
    """
    return sorted({_address(word) for word in given})


def _address(word: str) -> str:
    try:
        if "%" not in word:
            return str(ipaddress.ip_address(word))
    except ValueError:
        pass
    raise BadInput(f"cannot export to {word!r}: that is no address of a machine", hint="such as 192.0.2.7, not a name")
