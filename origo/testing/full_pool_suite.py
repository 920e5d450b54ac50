"""What every Storage must keep when a pool is full: subclass `FullPoolSuite`, give `make` and a small `pool`.

Numbers are those of the clauses in docs/reference/contract-storage.md.
"""

import time

import pytest

from origo.contracts import Place, PoolSpec, Storage
from origo.errors import NoRoom
from origo.testing.storage_suite import DATA, IMAGE, TRASHED, Make, put

FILL = Place("images", "fill.raw")
PIECE = 1 << 20
LARGEST = 1 << 30


def fill(storage: Storage, pool: PoolSpec) -> None:
    """Write into a pool, of at most one gibibyte, until nothing more goes in."""
    path = storage.place(pool, FILL)
    # Pieces of a record's size: zfs-fuse ends itself when half a write goes in.
    argv = ["dd", "if=/dev/urandom", f"of={path}", "bs=65536", f"count={LARGEST >> 16}", "conv=fsync"]
    result = storage.host.run(argv, check=False, timeout=300)
    assert b"No space left on device" in result.err, "the pool is too large for this suite"


class FullPoolSuite:
    """Clauses of the contract Storage on a pool of at most one gibibyte, filled to the brim."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes one more driver for the same host, as another daemon would."""
        raise NotImplementedError

    @pytest.fixture
    def pool(self) -> PoolSpec:
        """A small pool that is not there; what a test makes of it is removed afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def full(self, make: Make, pool: PoolSpec) -> PoolSpec:
        """The pool, made, with one image and no room."""
        make().create(pool)
        put(make(), pool, IMAGE)
        fill(make(), pool)
        return pool

    def test_30_writing_into_a_full_pool_is_no_room_and_harms_nothing(self, make: Make, full: PoolSpec) -> None:
        storage = make()
        with pytest.raises(NoRoom):
            storage.host.write(storage.place(full, Place("images", "more.raw")), DATA * 1000)
        assert sorted(storage.list(full, "images")) == sorted([IMAGE.name, FILL.name])
        assert storage.host.read(storage.place(full, IMAGE)) == DATA

    def test_31_a_full_pool_says_so(self, make: Make, full: PoolSpec) -> None:
        usage = make().usage(full)
        assert usage.free_bytes < 8 * PIECE < usage.total_bytes

    def test_32_room_can_be_made_in_a_full_pool(self, make: Make, full: PoolSpec) -> None:
        make().open(full)
        make().seal(full, IMAGE)
        make().move(full, IMAGE, TRASHED)
        make().remove(full, FILL)
        assert (dict(make().list(full, "images")), list(make().list(full, "trash"))) == ({}, [TRASHED.name])
        assert make().host.read(make().place(full, TRASHED)) == DATA

    def test_33_what_is_removed_is_room_again_in_a_moment(self, make: Make, full: PoolSpec) -> None:
        make().remove(full, FILL)
        deadline = time.monotonic() + 60
        while make().usage(full).free_bytes < 16 * PIECE and time.monotonic() < deadline:
            time.sleep(0.2)
        put(make(), full, Place("images", "more.raw"), DATA * 1000)
        assert make().usage(full).free_bytes > 8 * PIECE
