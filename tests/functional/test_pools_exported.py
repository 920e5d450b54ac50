"""Machines that may mount a pool are those that were named, and no others; what they may mount is told before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from origo import model
from origo.errors import BadInput, Conflict
from origo.operations.core import Core
from origo.services.access import SYSTEM
from origo.services.pools import exporting, keeping
from tests.functional import kinds

NODES = ["192.0.2.7", "2001:db8::7"]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


def exported(core: Core) -> dict[str, list[str]]:
    """What is exported to whom, by path."""
    path = Path(core.config.path(exporting.FILE))
    lines = [line.split() for line in path.read_text().splitlines() if line[0] != "#"] if path.exists() else []
    return {words[0]: words[1:] for words in lines}


def test_nodes_write_images_and_read_masters_and_see_nothing_else(core: Core) -> None:
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES)
    found, pool = exported(core), model.Pool.get_by_id(0)
    assert list(found) == [f"{pool.path}/images", f"{pool.path}/masters"]
    for path, begin in zip(found, ("rw,no_root_squash,", "ro,root_squash,"), strict=True):
        assert [word.partition("(")[0] for word in found[path]] == NODES
        assert all(word.partition("(")[2].startswith(begin) for word in found[path])
    assert pool.exported == NODES


def test_who_is_named_later_is_instead_of_those_before_and_none_leaves_nothing(core: Core) -> None:
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES)
    kinds.run(core, exporting.ExportPool(), pool=0, to=["192.0.2.9"])
    assert {word.partition("(")[0] for words in exported(core).values() for word in words} == {"192.0.2.9"}
    kinds.run(core, exporting.ExportPool(), pool=0, to=[])
    assert exported(core) == {} and model.Pool.get_by_id(0).exported == []


def test_exports_that_were_lost_are_there_again_after_the_next_start(core: Core) -> None:
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES)
    before = exported(core)
    Path(core.config.path(exporting.FILE)).unlink()
    exporting.ensure(core)
    assert exported(core) == before


def test_a_pool_that_is_missing_is_not_exported_until_it_is_there_again(core: Core) -> None:
    path = Path(model.Pool.get_by_id(0).path)
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES)
    before = exported(core)
    path.rename(path.with_name("away"))
    keeping.ensure(core)
    exporting.ensure(core)
    assert exported(core) == {} and model.Pool.get_by_id(0).exported == NODES
    path.with_name("away").rename(path)
    keeping.ensure(core)
    core.operations.wait(model.OperationRow.select().order_by(model.OperationRow.id.desc()).get().id, 20)
    assert exported(core) == before


def test_each_export_has_an_id_of_its_own_that_stays(core: Core) -> None:
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES)
    words = [word for words in exported(core).values() for word in words]
    ids = {option for word in words for option in word.split(",") if option.startswith("fsid=")}
    kinds.run(core, exporting.ExportPool(), pool=0, to=NODES[:1])
    assert len(ids) == 2 and all(any(id in word for id in ids) for word in exported(core).popitem()[1])


@pytest.mark.parametrize(
    "word", ["node1", "*", "192.0.2.0/24", "192.0.2.7(rw)", "", "fe80::1%eth0", "fe80::1%() *", "::1%\n/ *"]
)
def test_only_addresses_of_machines_are_taken(word: str) -> None:
    with pytest.raises(BadInput, match="no address of a machine"):
        exporting.addresses([word])


def test_a_pool_that_is_being_made_is_not_exported(core: Core) -> None:
    model.Pool.update(state="creating").execute()
    with pytest.raises(Conflict, match="still being made"):
        core.operations.submit(exporting.ExportPool(), {"pool": 0, "to": NODES}, by=SYSTEM.id)
