"""What a server is told at its first boot."""

import io
import json
import subprocess

import pycdlib
import pytest

from origo.errors import BadInput
from origo.services.catalog import seed
from origo.services.catalog.seed import Seed

HOSTILE = "a'b\"c$(reboot)`reboot`\\ ; é 😀 #: {x}"
SEED = Seed("i-1", "mine-web", "mine", "web", {"greeting": HOSTILE, "count": 3, "loud": True}, "/data")


def test_the_disk_is_found_by_its_label_and_has_cloud_inits_files() -> None:
    data = seed.image(SEED)
    assert data[16 * 2048 + 40 : 16 * 2048 + 72].strip() == b"cidata"
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(data))
    for name, content in seed.files(SEED).items():
        read = io.BytesIO()
        iso.get_file_from_iso_fp(read, rr_path=f"/{name}")
        assert read.getvalue() == content
    iso.close()


def test_a_shell_reads_every_answer_as_it_was_given() -> None:
    text = seed.files(SEED)["answers.env"].decode()
    shown = subprocess.run(
        ["sh", "-c", f'{text}\nprintf %s "$ANSWER_GREETING|$ANSWER_COUNT|$ANSWER_LOUD|$ORIGO_STACK|$ORIGO_SERVER"'],
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout.decode()
    assert shown == f"{HOSTILE}|3|true|mine|web"


def test_cloud_init_writes_the_answers_where_only_root_reads_them() -> None:
    lines = seed.files(SEED)["user-data"].decode().splitlines()
    assert lines[0] == "#cloud-config"
    config = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines[1:])}
    written = {entry["path"]: entry for entry in config["write_files"]}
    assert {entry["permissions"] for entry in written.values()} == {"0600"}
    assert json.loads(written["/etc/origo/answers.json"]["content"]) == dict(SEED.answers)
    assert config["mounts"][0][:2] == ["LABEL=origo-data", "/data"]


def test_no_answer_can_take_the_place_of_another_variable() -> None:
    text = seed.files(Seed("i", "h", "s", "m", {"path": "/evil"}))["answers.env"].decode()
    assert "ANSWER_PATH=/evil" in text.splitlines()
    assert not any(line.startswith("PATH=") for line in text.splitlines())


def test_an_answer_of_several_lines_is_refused() -> None:
    with pytest.raises(BadInput, match="one line"):
        seed.files(Seed("i", "h", "s", "m", {"x": "a\nb"}))


@pytest.mark.parametrize("hostname", ["", "-x", "x y", "x/y", "x" * 64, "Ä"])
def test_a_name_that_is_no_host_name_is_refused(hostname: str) -> None:
    with pytest.raises(BadInput, match="host name"):
        seed.files(Seed("i", hostname, "s", "m"))


def test_the_same_seed_differs_only_where_the_server_does() -> None:
    other = Seed("i-2", "mine-web", "mine", "web", SEED.answers, "/data")
    changed = {name for name, content in seed.files(SEED).items() if seed.files(other)[name] != content}
    assert changed == {"meta-data"}
