"""An image behind a URL is fetched, examined by nobody in particular, and taken in; a wrong digest leaves nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from origo import model
from origo.operations.core import Core
from origo.services.images import operations
from tests.functional import kinds


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path, kinds.a_file) as core:
        yield core


def wanted(server: HTTPServer, **more: Any) -> dict[str, Any]:
    content = Path(kinds.file()).read_bytes()
    server.expect_request("/disk.qcow2").respond_with_data(content)
    url = server.url_for("/disk.qcow2")
    sha256 = hashlib.sha256(content).hexdigest()
    return {"name": "disk", "pool": 0, "file": "", "url": url, "sha256": sha256, **kinds.MINE, **more}


def left(core: Core) -> list[str]:
    return [path.name for path in Path(core.config.path("incoming")).iterdir() if path.suffix == ".part"]


def test_a_disk_behind_a_url_becomes_an_image(core: Core, httpserver: HTTPServer) -> None:
    kinds.run(core, operations.ImportImage(), **wanted(httpserver))
    image = model.Image.get(model.Image.name == "disk")
    assert (image.state, image.format, image.size_bytes) == ("ready", "qcow2", kinds.SIZE)
    assert not left(core)


def test_a_download_ends_where_the_quota_does(core: Core, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/huge.raw").respond_with_data(b"x" * (4 << 20))
    ada = model.User.create(name="ada", quota_disk_bytes=1 << 20)
    url = httpserver.url_for("/huge.raw")
    args = wanted(httpserver) | {"url": url, "sha256": "", "owner": ada.id}
    row = core.operations.submit(operations.ImportImage(), args, by=kinds.MINE["owner"])
    row = core.operations.wait(row.id, 20)
    assert (row.status, row.error["code"]) == ("undone", "no-room")
    assert row.error["message"] == f"cannot download {url}: there is room for 2 MiB only"
    assert not left(core)


def test_a_file_with_another_digest_is_not_taken(core: Core, httpserver: HTTPServer) -> None:
    args = wanted(httpserver, sha256="0" * 64)
    row = core.operations.submit(operations.ImportImage(), args, by=kinds.MINE["owner"])
    row = core.operations.wait(row.id, 20)
    assert row.status == "undone" and "its SHA-256 is" in row.error["message"]
    assert not left(core) and not model.Image.select().where(model.Image.name == "disk").exists()
