"""What a user may use: checked inside the transaction that reserves it."""

from __future__ import annotations

import peewee

from origo.errors import QuotaExceeded, size
from origo.model import Image, OperationRow, Server, User
from origo.operations.base import Context
from origo.operations.journal import UNFINISHED


def check(owner: str, what: str, *, memory_mb: int = 0, cpus: int = 0, disk_bytes: int = 0, besides: int = 0) -> None:
    """Raise QuotaExceeded when `owner` would have more than the quota; `what` completes the sentence "cannot …".

    Servers count from their creation until they are in the trash, whether they run or not; images by the size their
    guest sees; and what was promised to operations that are not over, other than `besides`. Nothing is counted for a
    resource without a quota.
    """
    user = User.get_by_id(owner)
    limits = (
        ("memory", _mb, user.quota_memory_mb, memory_mb, "memory_mb", _servers(owner, Server.memory_mb)),
        ("CPUs", _cpus, user.quota_cpus, cpus, "cpus", _servers(owner, Server.cpus)),
        ("disk space", size, user.quota_disk_bytes, disk_bytes, "disk_bytes", _images(owner)),
    )
    for name, shown, limit, more, key, rows in limits:
        if limit is None or more <= 0:
            continue
        used = (rows.scalar() or 0) + _promised(owner, key, besides)
        if used + more > limit:
            raise QuotaExceeded(
                f"cannot {what}: it takes {shown(more)}, "
                f"and {user.name} uses {shown(used)} of a quota of {shown(limit)}",
                hint=f"delete something, or ask an administrator for more {name}",
                details={"resource": name, "quota": limit, "used": used, "wanted": more},
            )


def promise(ctx: Context, owner: str, what: str, *, memory_mb: int = 0, cpus: int = 0, disk_bytes: int = 0) -> None:
    """Check, and count it as used from now on: for an operation whose rows take it only at its end.

    Called in `prepare`; the promise lasts as long as the operation.
    """
    check(owner, what, memory_mb=memory_mb, cpus=cpus, disk_bytes=disk_bytes)
    wanted = {"memory_mb": memory_mb, "cpus": cpus, "disk_bytes": disk_bytes}
    ctx.data["promised"] = {key: more for key, more in wanted.items() if more > 0}


def _mb(number: int) -> str:
    return f"{number} MB"


def _cpus(number: int) -> str:
    return "1 CPU" if number == 1 else f"{number} CPUs"


def _promised(owner: str, key: str, besides: int) -> int:
    amount = peewee.fn.SUM(peewee.fn.json_extract(OperationRow.data, f"$.promised.{key}").coerce(False)).coerce(False)
    running = (OperationRow.owner == owner) & OperationRow.status.in_(UNFINISHED)
    return int(OperationRow.select(amount).where(running & (OperationRow.id != besides)).scalar() or 0)


def _servers(owner: str, column: peewee.Field) -> peewee.ModelSelect[Server]:
    return Server.select(peewee.fn.SUM(column)).where((Server.owner == owner) & (Server.state != "trashed"))


def _images(owner: str) -> peewee.ModelSelect[Image]:
    return Image.select(peewee.fn.SUM(Image.size_bytes)).where((Image.owner == owner) & (Image.state != "trashed"))
