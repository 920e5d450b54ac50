"""What the scripts that a distant machine runs promise when the connection is gone."""

import os
import subprocess
from pathlib import Path

from origo.host import scripts


def test_data_that_came_only_in_part_leaves_nothing_even_if_nobody_hears_of_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    file = str(tmp_path / "file")
    argv = ["sh", "-c", scripts.WRITE, "sh", file, str(tmp_path / ".file.new"), "644", "100", f"{tmp_path}/"]
    ended = subprocess.run(argv, input=b"a part", stdout=writing, stderr=writing, check=False, timeout=30)
    os.close(writing)
    assert ended.returncode
    assert list(tmp_path.iterdir()) == []
