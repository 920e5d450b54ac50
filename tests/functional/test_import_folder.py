"""The folder from which a user imports: there from the first moment, the user's alone, and nothing leads out of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origo import disks, model
from origo.api.images import ImageImport
from origo.api.users import UserCreate
from origo.errors import BadImage, BadInput, NotFound
from origo.operations.core import Core
from origo.services import images, users
from origo.services.access import SYSTEM, Actor
from origo.services.images import folders
from tests.functional import kinds

SIZE = 1 << 20


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with kinds.running(tmp_path) as core:
        yield core


def user(core: Core, name: str) -> Actor:
    made = users.create(core, SYSTEM, UserCreate(name=name))
    return Actor(id=made["id"], name=name, role="user")


def folder(core: Core, actor: Actor) -> Path:
    return Path(folders.path(core, actor.id))


def import_(core: Core, actor: Actor, file: str) -> Any:
    row = images.import_(core, actor, ImageImport(name="disk", file=file))
    return core.operations.wait(row.id, 20)


def test_a_new_user_has_a_folder_that_only_root_enters(core: Core) -> None:
    facts = folder(core, user(core, "anna")).stat()
    assert (facts.st_uid, facts.st_mode & 0o7777) == (os.getuid(), 0o700)


def test_a_file_in_it_becomes_an_image_of_the_users(core: Core) -> None:
    anna = user(core, "anna")
    path = folder(core, anna) / "disk.qcow2"
    disks.create(core.local, str(path), SIZE)
    path.chmod(0o644)
    assert import_(core, anna, "disk.qcow2").status == "done"
    image = model.Image.get(model.Image.name == "disk")
    assert (image.owner_id, image.size_bytes, image.state) == (anna.id, SIZE, "ready")
    assert path.exists()


@pytest.mark.parametrize("file", ["../other/disk", "/etc/passwd", "..", ".", "a\0b", "a\nb"])
def test_no_name_leads_out_of_it(core: Core, file: str) -> None:
    with pytest.raises(BadInput, match="cannot import"):
        import_(core, user(core, "anna"), file)


def test_a_link_in_it_is_not_followed(core: Core) -> None:
    anna = user(core, "anna")
    disk = Path(core.config.home, "secret.qcow2")
    disks.create(core.local, str(disk), SIZE)
    disk.chmod(0o644)
    (folder(core, anna) / "disk.qcow2").symlink_to(disk)
    row = import_(core, anna, "disk.qcow2")
    assert (row.status, row.error["code"]) == ("undone", BadImage.code)
    assert "no regular file" in row.error["message"]


def test_what_is_not_there_is_said_with_the_way_to_put_it_there(core: Core) -> None:
    anna = user(core, "anna")
    with pytest.raises(NotFound, match=f"there is no such file in {folder(core, anna)}") as refused:
        import_(core, anna, "my disk.qcow2")
    assert f"install -m 0644 'my disk.qcow2' {folder(core, anna)}/" in refused.value.hint


def test_users_of_before_get_theirs_at_a_start_and_what_root_has_set_stays(core: Core) -> None:
    anna, bert = user(core, "anna"), user(core, "bert")
    folder(core, anna).rmdir()
    folder(core, bert).chmod(0o750)
    folders.ensure(core)
    assert folder(core, anna).is_dir()
    assert folder(core, bert).stat().st_mode & 0o777 == 0o750
    assert not Path(folders.path(core, SYSTEM.id)).exists()


def test_it_goes_with_its_user_unless_something_is_in_it(core: Core) -> None:
    anna, bert = user(core, "anna"), user(core, "bert")
    (folder(core, bert) / "letter").touch()
    for name in ("anna", "bert"):
        users.delete(core, SYSTEM, name)
    assert not folder(core, anna).exists()
    assert (folder(core, bert) / "letter").exists()


def test_a_sum_for_a_file_is_refused_and_not_ignored(core: Core) -> None:
    with pytest.raises(BadInput, match="only a download is compared with a SHA-256"):
        images.import_(core, SYSTEM, ImageImport(name="disk", file="/tmp/x", sha256="0" * 64))  # noqa: S108
