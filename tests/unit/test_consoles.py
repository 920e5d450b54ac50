"""A console that cannot be offered is a sentence, and takes nothing from those that can."""

from pathlib import Path

import pytest

from origo.errors import Unavailable
from origo.services.servers import consoles
from origo.testing.fake_hypervisor import Echo


def test_consoles_that_cannot_be_offered_do_not_use_up_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(consoles.MOST + 1):
        line = Echo()
        with pytest.raises(Unavailable, match="cannot open the console"):
            consoles.offer(line, str(tmp_path / "file"))
        assert line.receive(0) == b"", "the line was hung up"
