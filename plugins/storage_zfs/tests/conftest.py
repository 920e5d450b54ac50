"""The fixtures of a real ZFS, for all tests here."""

from zfs_lab import here, host, make, pool, there

__all__ = ["here", "host", "make", "pool", "there"]
