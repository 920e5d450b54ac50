"""What an operation is made of: locks, steps with plan, do and undo, and the context they work in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from origo.operations.core import Core


class Mode(StrEnum):
    """How a lock is held: many may share it, or one has it alone."""

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True)
class Lock:
    """The name of what is locked, such as `server/<id>`, and how."""

    name: str
    mode: Mode = Mode.EXCLUSIVE


@dataclass(frozen=True)
class Key:
    """An Idempotency-Key: the text that a client chose, and a keyed digest of the request it came with."""

    text: str
    request: str


@dataclass(frozen=True)
class Cost:
    """What an operation takes (or, below zero, gives back) once it is done; `downtime` says who notices what."""

    memory_mb: int = 0
    cpus: int = 0
    disk_bytes: int = 0
    addresses: int = 0
    downtime: str = "none"


@dataclass
class Context:
    """What a step works with. `args` are as submitted; `data` has every name that was chosen before the first step.

    Both are plain JSON. `log` adds a line to the operation's log; `report` tells the progress of this step (0 to 1).
    """

    core: Core
    args: dict[str, Any]
    data: dict[str, Any]
    by: str
    id: int = 0
    log: Callable[[str], None] = field(default=lambda text: None)
    report: Callable[[float, str], None] = field(default=lambda fraction, text="": None)
    keep: Callable[..., None] = field(default=lambda **values: None)
    """Add values to `data`, committed at once: for what a step could not know before it ran."""


class Step:
    """One change to the outside world that may run twice, forwards and backwards.

    `undo` must also clean up after a `do` that failed or was killed at any point, or never began. A step that is the
    `commit` point is the last that can be undone: once it is done the operation only goes forward. Its constructor
    takes only what `Operation.steps` finds in args and data, so that the same list is made again after a restart.
    """

    name: ClassVar[str]
    commit: ClassVar[bool] = False

    def plan(self, ctx: Context) -> list[str]:
        """What `do` would change, as lines for a person, with the text (XML, rules, commands) it would apply."""
        raise NotImplementedError

    def do(self, ctx: Context) -> None:
        """Make the change. Raises OrigoError with a sentence for a person."""
        raise NotImplementedError

    def undo(self, ctx: Context) -> None:
        """Take the change back, whether it was made wholly, partly or not at all."""
        raise NotImplementedError


class Operation:
    """A change that lasts. A subclass reads as a table of contents: prepare, locks, steps.

    `prepare`, `finish` and `release` run inside one database transaction with the journal's own entry, so rows and
    journal always agree; they change rows only, never the outside world, and do not wait for it.
    """

    kind: ClassVar[str]
    """`<noun>.<verb>`; kinds are for ever, since journals name them."""
    targets: ClassVar[str]
    """The noun whose id `target` returns."""
    forward_only: ClassVar[bool] = False
    """From its first step on there is no way back, as if a commit point were before it: for what removes for good."""

    def look(self, ctx: Context) -> None:
        """Ask the outside world, or read files, for what `prepare` needs to know, into `ctx.data`.

        Called once before the transaction, in which nobody else can write: whatever takes time belongs here. What it
        finds may have changed by the time of the steps.
        """

    def prepare(self, ctx: Context) -> None:
        """Check quota, admission, flags, names and state; choose every outside name into `ctx.data`; reserve rows.

        Called once, when the operation is submitted (and, rolled back afterwards, for a plan).
        """

    def earlier(self, ctx: Context) -> dict[str, Any]:
        """What is to be as it is now when the operation is undone; added to `ctx.data`.

        Asked after `prepare`, so that a plan can show it, and again with the locks held, before the first step: only
        then it is what the step finds. It must not change the names of the steps.
        """
        return {}

    def target(self, ctx: Context) -> str:
        """The id of what it is about; a plan and the operation's row show it."""
        raise NotImplementedError

    def owner(self, ctx: Context) -> str:
        """The id of the user who may see it besides administrators; by default the one who asked for it."""
        return ctx.by

    def locks(self, ctx: Context) -> list[Lock]:
        """All locks it needs, known from args and data."""
        raise NotImplementedError

    def check(self, ctx: Context) -> None:
        """Look once more, with the locks held, at what may have changed while it waited. Raises OrigoError."""

    def steps(self, ctx: Context) -> list[Step]:
        """The steps in order; made from args and data alone, the same after every restart."""
        raise NotImplementedError

    def cost(self, ctx: Context) -> Cost:
        """What it takes once done."""
        return Cost()

    def finish(self, ctx: Context) -> None:
        """Rows as they are once it is done."""

    def release(self, ctx: Context) -> None:
        """Rows as they are once it is undone: what `prepare` reserved is gone."""
