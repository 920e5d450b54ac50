"""Figures: printed as lines of JSON, with what they are measured against in the same run."""

import json
import statistics
from collections.abc import Sequence


def show(name: str, value: float, unit: str, against: str, ratio: float, *, within: bool = True) -> bool:
    """One figure as a line of JSON; returns `within`, whether it is in its bounds, for adding up an exit status."""
    figure = {"name": name, "value": round(value, 3), "unit": unit, "against": against, "ratio": round(ratio, 3)}
    print(json.dumps(figure), flush=True)
    return within


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The value in the middle."""
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "s") -> str:
    """All values, short, for a person who wonders how noisy the machine was."""
    return " ".join(f"{value:.2f}" for value in values) + f" {unit}"
