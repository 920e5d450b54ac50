"""What locks promise: modes are honoured, the oldest goes first, only conflicts block, and a crowd costs little."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from origo.operations.base import Lock, Mode
from origo.operations.locks import LockTable

SHARED, EXCLUSIVE = Mode.SHARED, Mode.EXCLUSIVE


def test_many_share_one_name_and_one_has_it_alone() -> None:
    table = LockTable()
    assert table.join(1, [Lock("m", SHARED)]) and table.join(2, [Lock("m", SHARED)])
    assert not table.join(3, [Lock("m", EXCLUSIVE)])
    assert not table.join(4, [Lock("m", SHARED)]), "the older exclusive one goes first"
    assert table.blockers(3) == table.blockers(4) == [1, 2]
    assert table.leave(1) == []
    assert table.leave(2) == [3]
    assert table.leave(3) == [4]
    assert 3 not in table and 4 in table


def test_a_waiter_blocks_younger_ones_only_where_their_modes_conflict() -> None:
    table = LockTable()
    table.join(1, [Lock("a")])
    assert not table.join(2, [Lock("a"), Lock("master", SHARED)])
    assert table.join(3, [Lock("master", SHARED)])
    assert not table.join(4, [Lock("master", EXCLUSIVE)])
    assert table.leave(1) == [2]


def test_who_gives_up_waiting_lets_those_behind_go() -> None:
    table = LockTable()
    table.join(1, [Lock("m", SHARED)])
    table.join(2, [Lock("m", EXCLUSIVE)])
    table.join(3, [Lock("m", SHARED)])
    assert table.leave(2) == [3]
    assert table.leave(99) == []


def test_a_name_asked_for_twice_is_held_in_the_stronger_mode() -> None:
    table = LockTable()
    assert table.join(1, [Lock("m", SHARED), Lock("m", EXCLUSIVE), Lock("m", SHARED)])
    assert not table.join(2, [Lock("m", SHARED)])


def test_ten_thousand_in_one_line_are_served_quickly() -> None:
    table = LockTable()
    running, served = set(), 0
    started = time.perf_counter()
    for id in range(10_000):
        mode = EXCLUSIVE if id % 3 == 0 else SHARED
        if table.join(id, [Lock("image/m", mode), Lock(f"image/{id}"), Lock("pool", SHARED)]):
            running.add(id)
    while running:
        running |= set(table.leave(running.pop()))
        served += 1
    assert served == 10_000
    assert time.perf_counter() - started < 1.5


MODES = st.sampled_from([SHARED, EXCLUSIVE])
LOCKS = st.dictionaries(st.sampled_from("abcd"), MODES, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LOCKS, st.booleans(), st.integers(0, 30)), max_size=30))
def test_who_goes_is_exactly_who_conflicts_with_no_holder_and_no_older_waiter(
    moves: list[tuple[dict[str, Mode], bool, int]],
) -> None:
    table, wants, holders = LockTable(), {}, set()
    for id, (names, leave, who) in enumerate(moves):
        wants[id] = names
        if table.join(id, [Lock(name, mode) for name, mode in names.items()]):
            holders.add(id)
        if leave and wants:
            gone = sorted(wants)[who % len(wants)]
            del wants[gone]
            holders.discard(gone)
            holders |= set(table.leave(gone))
        assert holders == free(wants)
    while wants:
        assert holders, "somebody can always go on"
        gone = min(holders)
        del wants[gone]
        holders = (holders - {gone}) | set(table.leave(gone))
        assert holders == free(wants)


def free(wants: dict[int, dict[str, Mode]]) -> set[int]:
    """The rule itself: nobody older wants the same name in a conflicting mode."""

    def conflict(one: dict[str, Mode], other: dict[str, Mode]) -> bool:
        return any(name in other and EXCLUSIVE in (mode, other[name]) for name, mode in one.items())

    return {id for id in wants if not any(conflict(wants[id], wants[older]) for older in wants if older < id)}
