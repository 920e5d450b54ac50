"""What a pool's notes say is read or refused, whatever lies there."""

import json

from hypothesis import given
from hypothesis import strategies as st

from origo.errors import Conflict
from origo.services.pools import noted

IMAGE = {
    "id": "11111111-1111-4111-8111-111111111111",
    "name": "web",
    "owner": "anna",
    "kind": "child",
    "content": "disk",
    "format": "qcow2",
    "size_bytes": 1 << 30,
    "state": "ready",
    "created": 1.5,
    "master": None,
    "trashed": None,
    "later": "added",
}
NOTES = {"schema": 1, "engine": {"id": "one", "name": "lab"}, "count": 3, "images": [IMAGE]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda of: st.lists(of) | st.dictionaries(st.text() | st.sampled_from(list(NOTES)), of),
)


def test_notes_are_read_and_keys_of_a_newer_version_left_out() -> None:
    read = noted.parse(json.dumps(NOTES).encode(), "notes.json")
    assert (read.count, read.engine.name, read.images[0].name) == (3, "lab", "web")


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.sampled_from(list(NOTES)), JSON).map(lambda pair: json.dumps(NOTES | dict([pair])).encode())
    | st.tuples(st.sampled_from(list(IMAGE)), JSON).map(
        lambda pair: json.dumps(NOTES | {"images": [IMAGE | dict([pair])]}).encode()
    )
)
def test_anything_else_is_read_or_refused(text: bytes) -> None:
    noted.head(text)
    try:
        noted.parse(text, "notes.json")
    except Conflict as error:
        assert error.message.startswith("cannot read notes.json: ")
