"""Sizes as people write them: 512M, 20G, 1.5T."""

import re
from typing import Any

import click

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Size(click.ParamType[int]):
    """A size in bytes; K, M, G and T are powers of 1024. `unit` divides it, such as 1 << 20 for a value in MB."""

    name = "size"

    def __init__(self, unit: int = 1, bare: int = 1) -> None:
        """`bare` is what a number without a letter counts."""
        self.unit = unit
        self.bare = bare

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no size; write it like 512M or 20G", param, ctx)
        letter = match[2].upper()
        return int(float(match[1]) * (UNITS[letter] if letter else self.bare)) // self.unit


DISK = Size()
MEMORY = Size(unit=1 << 20, bare=1 << 20)
