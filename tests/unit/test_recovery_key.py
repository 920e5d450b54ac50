"""What is promised of the recovery key: it alone opens a backup, and a mistyped one is told from a wrong one."""

import pytest

from origo.errors import BadInput
from origo.secrets import recovery

CONTENT = b"everything" * 1000


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return recovery.new_pair()


def test_the_key_opens_what_was_written_for_it_however_it_is_typed(pair: tuple[str, str]) -> None:
    key, public = pair
    sealed = recovery.encrypt(public, CONTENT)
    assert CONTENT[:20] not in sealed
    for typed in (key, key.lower(), key.replace("-", ""), f" {key.replace('-', '  ')}\n"):
        assert recovery.decrypt(typed, sealed) == CONTENT


def test_two_backups_of_the_same_have_nothing_in_common(pair: tuple[str, str]) -> None:
    one, other = (recovery.encrypt(pair[1], CONTENT)[len(recovery.MAGIC) :] for _ in range(2))
    assert one[:32] != other[:32] and one[32:64] != other[32:64]


@pytest.mark.parametrize("place", [0, 5, 20])
def test_a_key_with_one_wrong_letter_is_mistyped(pair: tuple[str, str], place: int) -> None:
    letter = "A" if pair[0][place] != "A" else "B"
    typed = pair[0][:place] + letter + pair[0][place + 1 :]
    with pytest.raises(BadInput, match="it is mistyped"):
        recovery.check(typed)


@pytest.mark.parametrize("typed", ["", "-", "ä", "AAAAAAA-BBBBBBB", "0" * 56, "A" * 500])
def test_what_is_no_key_is_told(typed: str) -> None:
    with pytest.raises(BadInput, match="it is mistyped"):
        recovery.check(typed)


def test_another_key_opens_nothing(pair: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match="another recovery key"):
        recovery.decrypt(recovery.new_pair()[0], recovery.encrypt(pair[1], CONTENT))


@pytest.mark.parametrize("place", [20, 100, -1])
def test_a_damaged_backup_is_refused(pair: tuple[str, str], place: int) -> None:
    sealed = bytearray(recovery.encrypt(pair[1], CONTENT))
    sealed[place] ^= 1
    with pytest.raises(BadInput, match="is damaged"):
        recovery.decrypt(pair[0], bytes(sealed))


@pytest.mark.parametrize("length", [0, 10, 40, 100])
def test_a_backup_that_was_cut_off_is_refused(pair: tuple[str, str], length: int) -> None:
    with pytest.raises(BadInput, match="cannot read the backup"):
        recovery.decrypt(pair[0], recovery.encrypt(pair[1], CONTENT)[:length])
