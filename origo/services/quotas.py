"""What a user may use: checked inside the transaction that reserves it."""

from __future__ import annotations

import peewee

from origo.errors import QuotaExceeded, size
from origo.model import Image, Server, User


def check(owner: str, what: str, *, memory_mb: int = 0, cpus: int = 0, disk_bytes: int = 0) -> None:
    """Raise QuotaExceeded when `owner` would have more than the quota; `what` completes the sentence "cannot …".

    Servers count from their creation until they are in the trash, whether they run or not; images by the size their
    guest sees. Nothing is counted for a resource without a quota.
    """
    user = User.get_by_id(owner)
    limits = (
        ("memory", _mb, user.quota_memory_mb, memory_mb, _servers(owner, Server.memory_mb)),
        ("CPUs", _cpus, user.quota_cpus, cpus, _servers(owner, Server.cpus)),
        ("disk space", size, user.quota_disk_bytes, disk_bytes, _images(owner)),
    )
    for name, shown, limit, more, used in limits:
        if limit is not None and more > 0 and (total := used.scalar() or 0) + more > limit:
            raise QuotaExceeded(
                f"cannot {what}: it takes {shown(more)}, "
                f"and {user.name} uses {shown(total)} of a quota of {shown(limit)}",
                hint=f"delete something, or ask an administrator for more {name}",
                details={"resource": name, "quota": limit, "used": total, "wanted": more},
            )


def _mb(number: int) -> str:
    return f"{number} MB"


def _cpus(number: int) -> str:
    return "1 CPU" if number == 1 else f"{number} CPUs"


def _servers(owner: str, column: peewee.Field) -> peewee.ModelSelect[Server]:
    return Server.select(peewee.fn.SUM(column)).where((Server.owner == owner) & (Server.state != "trashed"))


def _images(owner: str) -> peewee.ModelSelect[Image]:
    return Image.select(peewee.fn.SUM(Image.size_bytes)).where((Image.owner == owner) & (Image.state != "trashed"))
