"""What is promised when the pool runs full in a build, an import or a clone: a sentence, and nothing left."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import HELLO, EngineWorld

from origo import home

pytestmark = [
    pytest.mark.needs("libvirt"),
    pytest.mark.needs("iptables"),
    pytest.mark.needs("nginx"),
    pytest.mark.needs("mmdebstrap"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorld]:
    """An engine whose pools have 12 MB."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="full-") as folder:
        world = EngineWorld(Path(folder))
        home.make(world.home)
        pools = str(world.home / "pools")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0711", "tmpfs", pools], check=True)
        world.start()
        yield world
        world.close()
        subprocess.run(["umount", pools], check=True)


def left(engine: EngineWorld) -> list[str]:
    """The files in the pool."""
    pool = engine.home / "pools" / "0"
    return sorted(path.name for area in ("images", "masters", "trash") for path in (pool / area).iterdir())


def test_a_build_that_fills_the_pool_leaves_no_entry_no_image_and_no_file(engine: EngineWorld) -> None:
    assert "there is no room" in engine.refused("stacks", "build", str(HELLO))
    assert (engine.json("catalog", "list"), engine.json("images", "list"), left(engine)) == ([], [], [])
    assert list((engine.home / "build").glob("*")) == []


def test_an_import_that_fills_the_pool_leaves_nothing(engine: EngineWorld, tmp_path: Path) -> None:
    source = tmp_path / "disk.raw"
    source.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(16 << 20))
    assert "it is a disk of 16 MiB, and there is room for" in engine.refused("images", "import", "big", str(source))
    assert (engine.json("images", "list"), left(engine)) == ([], [])


def test_a_clone_in_a_full_pool_is_refused_and_works_once_there_is_room(engine: EngineWorld) -> None:
    engine.json("images", "create", "base", "1M")
    engine.json("images", "master", "base")
    filler = engine.home / "pools" / "0" / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(os.urandom(4096))
    before = left(engine)
    assert "there is no room" in engine.refused("images", "clone", "base", "child")
    assert (left(engine), len(engine.json("images", "list"))) == (before, 1)
    filler.unlink()
    engine.json("images", "clone", "base", "child")
    assert len(left(engine)) == 2
