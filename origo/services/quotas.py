"""What a user may use: checked inside the transaction that reserves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee

from origo.errors import QuotaExceeded, size
from origo.model import Image, Network, OperationRow, Server, User
from origo.operations.base import Context
from origo.operations.journal import UNFINISHED


def check(owner: str, what: str, *, besides: int = 0, **wanted: int) -> None:
    """Raise QuotaExceeded when `owner` would have more than the quota; `what` completes the sentence "cannot …".

    `wanted` is how much more of each of `RESOURCES`. Servers count from their creation until they are in the trash,
    whether they run or not; images by the size their guest sees; and what was promised to operations that are not
    over, other than `besides`. Nothing is counted for a resource without a quota.
    """
    user = User.get_by_id(owner)
    for resource, more in wanted.items():
        name, shown, _ = RESOURCES[resource]
        limit = getattr(user, f"quota_{resource}")
        if limit is None or more <= 0:
            continue
        used = _used(owner, resource, besides)
        if used + more > limit:
            raise QuotaExceeded(
                f"cannot {what}: it takes {shown(more)}, "
                f"and {user.name} uses {shown(used)} of a quota of {shown(limit)}",
                hint=f"delete something, or ask an administrator for more {name}",
                details={"resource": name, "quota": limit, "used": used, "wanted": more},
            )


def check_trash(owner: str, what: str) -> None:
    """Raise QuotaExceeded while what `owner` has in the trash is more than the whole quota of disk space.

    What is in the trash takes room without counting as used; without this it would be a way around the quota.
    """
    user = User.get_by_id(owner)
    if user.quota_disk_bytes is None:
        return
    trash = _disk_space(Image.state == "trashed")(owner).scalar() or 0
    if trash > user.quota_disk_bytes:
        raise QuotaExceeded(
            f"cannot {what}: {user.name} has {size(trash)} in the trash, more than the whole quota of "
            f"{size(user.quota_disk_bytes)}",
            hint="purge what nobody needs: stacks, servers and images have a list --trash",
            details={"resource": "trash", "quota": user.quota_disk_bytes, "used": trash},
        )


def left(owner: str, resource: str) -> int | None:
    """How much more of a resource `owner` may use; None without a quota."""
    limit: int | None = getattr(User.get_by_id(owner), f"quota_{resource}")
    return None if limit is None else max(0, limit - _used(owner, resource, 0))


def promise(ctx: Context, owner: str, what: str, **wanted: int) -> None:
    """Check, and count it as used from now on: for an operation whose rows take it only at its end.

    Called in `prepare`; the promise lasts as long as the operation.
    """
    check(owner, what, **wanted)
    ctx.data["promised"] = {resource: more for resource, more in wanted.items() if more > 0}


def _used(owner: str, resource: str, besides: int) -> int:
    rows = RESOURCES[resource][2](owner)
    return (rows.scalar() or 0) + _promised(owner, resource, besides)


def _promised(owner: str, resource: str, besides: int) -> int:
    amount = peewee.fn.json_extract(OperationRow.data, f"$.promised.{resource}").coerce(False)
    running = (OperationRow.owner == owner) & OperationRow.status.in_(UNFINISHED)
    query = OperationRow.select(peewee.fn.SUM(amount).coerce(False)).where(running & (OperationRow.id != besides))
    return int(query.scalar() or 0)


def _servers(column: peewee.Field) -> Callable[[str], peewee.ModelSelect[Server]]:
    total = peewee.fn.SUM(column)
    return lambda owner: Server.select(total).where((Server.owner == owner) & (Server.state != "trashed"))


def _disk_space(states: peewee.Expression) -> Callable[[str], peewee.ModelSelect[Image]]:
    total = peewee.fn.SUM(Image.size_bytes)
    return lambda owner: Image.select(total).where((Image.owner == owner) & states)


def _networks(owner: str) -> peewee.ModelSelect[Network]:
    return Network.select(peewee.fn.COUNT(Network.id)).where(Network.owner == owner)


def _number(noun: str) -> Callable[[int], str]:
    return lambda number: f"1 {noun}" if number == 1 else f"{number} {noun}s"


RESOURCES: dict[str, tuple[str, Callable[[int], str], Callable[[str], peewee.ModelSelect[Any]]]] = {
    "memory_mb": ("memory", lambda number: f"{number} MB", _servers(Server.memory_mb)),
    "cpus": ("CPUs", _number("CPU"), _servers(Server.cpus)),
    "disk_bytes": ("disk space", size, _disk_space(Image.state != "trashed")),
    "networks": ("networks", _number("network"), _networks),
}
"""What has a quota, the user's column `quota_<resource>`: its name, how an amount is said, and what the rows take."""
