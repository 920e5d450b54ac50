"""What an operation would do, shown without doing it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from origo.operations.base import Context, Cost, Lock, Operation


@dataclass(frozen=True)
class PlannedStep:
    """One step: what it would change, as lines for a person; after a `commit` step there is no way back."""

    name: str
    commit: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All that an operation would do: the names it would choose, its steps in order, what it costs.

    With `forward_only` there is no way back from the first step on.
    """

    kind: str
    noun: str
    target: str
    data: Mapping[str, Any]
    locks: tuple[Lock, ...]
    steps: tuple[PlannedStep, ...]
    cost: Cost
    forward_only: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        return dataclasses.asdict(self)


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same data as the journal would give it back; a TypeError names what is no JSON."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    return copy


def make(operation: Operation, context: Context) -> Plan:
    """The plan of a prepared operation; call it in the transaction of `prepare`, which is then rolled back."""
    return Plan(
        kind=operation.kind,
        noun=operation.targets,
        target=operation.target(context),
        data=context.data,
        locks=tuple(operation.locks(context)),
        steps=tuple(
            PlannedStep(step.name, step.commit, tuple(step.plan(context))) for step in operation.steps(context)
        ),
        cost=operation.cost(context),
        forward_only=operation.forward_only,
    )
