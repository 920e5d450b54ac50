"""A guest of 47 bytes for real hypervisors: it boots at once, echoes its serial line and obeys the power button.

It speaks to the first serial port and to the power management that QEMU's x86 machines have. Between two looks at
them the processor rests, so that fifty of them fit on a small machine.
"""

from pathlib import Path

BYTES = 1 << 20

ECHO = bytes.fromhex(
    "31c0 8ed8"  # xor ax, ax; mov ds, ax
    "ba0206 b80001 ef"  # out 0x602, 0x100: let the power button be seen
    "fb f4"  # rest: sti; hlt until the next tick of the clock
    "ba0006 ed f6c401 7511"  # in ax, 0x600; test ah, 1; jnz off
    "bafd03 ec 2421 3c21 75eb"  # more: in al, 0x3fd; jump to rest unless one has come and one can go
    "baf803 ec ee ebef"  # in al, 0x3f8; out 0x3f8, al; jmp more
    "ba0406 b80020 ef f4"  # off: out 0x604, 0x2000: sleep state 5
)
HALT = bytes.fromhex("ba0406 b80020 ef f4")
"""Turns itself off as soon as it has booted."""


def image(code: bytes = ECHO) -> bytes:
    """A raw disk that boots this code."""
    return code.ljust(510, b"\0") + b"\x55\xaa" + bytes(BYTES - 512)


def write(path: Path, code: bytes = ECHO) -> Path:
    """Write such a disk."""
    path.write_bytes(image(code))
    return path
