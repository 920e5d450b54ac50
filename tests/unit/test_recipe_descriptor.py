"""What an entry of the catalog says, and which descriptors are taken from elsewhere."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from origo.errors import BadInput, Unsupported
from origo.services.catalog import build, descriptor, recipe_read
from origo.services.catalog.descriptor import Chunks, Descriptor, MasterFile

HELLO = Path(__file__).parents[2] / "appliance/stacks/hello"


def hello() -> Descriptor:
    recipe = recipe_read.read(HELLO)
    files = [
        MasterFile(master.role, master.members, master.digest, "0" * 64, 1000, master.size_bytes)
        for master in build.masters(recipe, HELLO)
    ]
    return descriptor.describe(recipe, build.digest(recipe, HELLO), files)


def test_a_descriptor_survives_being_written_as_json() -> None:
    found = hello()
    assert descriptor.read(json.loads(json.dumps(descriptor.write(found)))) == found


def test_a_descriptor_says_all_that_an_install_needs() -> None:
    (member,) = hello().members
    assert (member.servers, member.memory_mb, member.cpus, member.ports, member.mount) == (
        ("web",),
        128,
        1,
        (80,),
        "/data",
    )
    assert hello().master("web", "data").size_bytes == member.data_bytes == 64 << 20
    assert hello().page is not None


def test_there_is_room_for_the_digests_of_a_masters_pieces() -> None:
    data = descriptor.write(hello())
    assert data["masters"][0]["chunks"] is None
    data["masters"][0]["chunks"] = {"size": 1 << 20, "digests": ["a" * 64]}
    assert descriptor.read(data).masters[0].chunks == Chunks(1 << 20, ("a" * 64,))


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(Unsupported, match="schema 2") as caught:
        descriptor.read({**descriptor.write(hello()), "schema": 2})
    assert "update" in caught.value.hint


def test_a_key_that_a_newer_program_added_is_passed_over() -> None:
    assert descriptor.read({**descriptor.write(hello()), "flavour": "new"}) == hello()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "1"},
        {"schema": 0},
        {"schema": True},
        {"name": "../x"},
        {"digest": "x"},
        {"members": []},
        {"masters": []},
        {"icon": "javascript:alert(1)"},
        {"page": {"server": "db", "port": 80, "path": "/"}},
        {"page": {"server": "web", "port": 80, "path": "//evil.example"}},
    ],
)
def test_a_descriptor_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="cannot use the descriptor"):
        descriptor.read({**descriptor.write(hello()), **change})


def test_a_master_larger_than_the_disk_made_from_it_is_refused() -> None:
    data = descriptor.write(hello())
    data["masters"][0]["size_bytes"] = 1 << 40
    with pytest.raises(BadInput, match="smaller than its master"):
        descriptor.read(data)


def test_an_icon_is_shown_as_a_data_url(tmp_path: Path) -> None:
    (tmp_path / "icon.svg").write_text("<svg/>")
    recipe = dataclasses.replace(recipe_read.read(HELLO), icon="icon.svg")
    found = dataclasses.replace(hello(), icon=descriptor.icon_url(recipe, tmp_path))
    assert found.icon == "data:image/svg+xml;base64,PHN2Zy8+"
    assert descriptor.read(descriptor.write(found)) == found
