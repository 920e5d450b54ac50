"""Which masters a recipe needs and when two are the same; where Debian's packages come from."""

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from origo.errors import BadInput, Unavailable
from origo.host import LocalHost
from origo.services.catalog import build, build_full, build_kernel, build_sources, build_tools, build_tree, recipe_read

HELLO = Path(__file__).parents[2] / "appliance/stacks/hello"
TWO = """
name = "two"
version = "1"
title = "Two"
[base]
suite = "bookworm"
[[server]]
name = "web"
memory = "64M"
disk = "1G"
[[server]]
name = "db"
memory = "128M"
disk = "1G"
order = 1
"""


def masters(folder: Path, text: str) -> dict[str, tuple[str, ...]]:
    (folder / "recipe.toml").write_text(text)
    return {master.digest: master.members for master in build.masters(recipe_read.read(folder), folder)}


def digest(folder: Path) -> str:
    return build.digest(recipe_read.read(folder), folder)


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HELLO, tmp_path / "hello"))


def test_servers_with_the_same_content_share_one_master(tmp_path: Path) -> None:
    assert list(masters(tmp_path, TWO).values()) == [("web", "db")]


def test_what_python_puts_beside_the_programs_of_a_build_is_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = masters(tmp_path, TWO)
    here = Path(shutil.copytree(build.HERE, tmp_path / "catalog"))
    for name in ("full", "guest"):
        (here / name / "__pycache__").mkdir(exist_ok=True)
    monkeypatch.setattr(build, "HERE", here)
    assert masters(tmp_path, TWO) == before


@pytest.mark.parametrize(
    "own", ['packages = ["nginx"]', 'commands = ["true"]', '[server.data]\nsize = "1G"\nmount = "/d"']
)
def test_a_server_with_content_of_its_own_has_a_master_of_its_own(tmp_path: Path, own: str) -> None:
    found = list(masters(tmp_path, TWO + own).values())
    assert ("web",) in found
    assert ("db",) in found


def test_what_is_said_to_people_changes_the_digest_but_no_master(hello: Path) -> None:
    before, systems = digest(hello), masters(hello, (hello / "recipe.toml").read_text())
    text = (hello / "recipe.toml").read_text().replace('title = "Hello"', 'title = "Good day"')
    assert masters(hello, text) == systems
    assert digest(hello) != before


@pytest.mark.parametrize("change", ["content", "mode", "new"])
def test_a_changed_file_changes_the_digest(hello: Path, change: str) -> None:
    before = digest(hello)
    page = hello / "www/style.css"
    if change == "content":
        page.write_text("body {}")
    elif change == "mode":
        page.chmod(0o755)
    else:
        (hello / "www/new.html").write_text("new")
    assert digest(hello) != before


def test_a_file_that_the_recipe_does_not_use_changes_nothing(hello: Path) -> None:
    before = digest(hello)
    (hello / "README").write_text("notes")
    assert digest(hello) == before


def test_a_link_in_the_tree_cannot_lead_a_file_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/etc").symlink_to("/etc")
    with pytest.raises(BadInput, match="leads elsewhere"):
        build_tree.put(tmp_path / "tree", "/etc/origo-was-here", b"x")


def test_a_link_in_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "tree/file").symlink_to(tmp_path / "outside")
    build_tree.put(tmp_path / "tree", "/file", b"new")
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (tmp_path / "tree/file").read_bytes() == b"new"


def test_modules_are_loaded_after_those_that_they_need(tmp_path: Path) -> None:
    folder = tmp_path / "tree/lib/modules/6.1/kernel"
    folder.mkdir(parents=True)
    for name, needs in {"virtio_blk": "virtio,virtio_ring", "virtio": "virtio_ring", "virtio_ring": ""}.items():
        (folder / f"{name}.ko").write_bytes(b"ELF\0depends=" + needs.encode() + b"\0")
    build_kernel.copy_modules(tmp_path / "tree", ["virtio_blk", "ext4"], tmp_path / "to")
    assert (tmp_path / "to/order").read_text().split() == ["virtio_ring.ko", "virtio.ko", "virtio_blk.ko"]


DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
 non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 key
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off.test/debian
Suites: bookworm
Components: main
"""
LIST = """\
# deb http://comment.test/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian bookworm main non-free # x
deb-src http://mirror.test/debian bookworm main
deb http://mirror.test/debian-security bookworm-security main
deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.test/apt bookworm main
deb http://packages.test/apt nodistro main
deb http://packages.test/docker bookworm stable
"""


@pytest.mark.parametrize(
    ("suite", "suites"),
    [
        ("bookworm", ["bookworm", "bookworm-security"]),
        ("trixie", ["trixie", "trixie-security"]),
        ("sid", ["sid"]),
    ],
)
def test_debians_entries_are_found_and_moved_to_another_suite(suite: str, suites: list[str]) -> None:
    moved = [build_sources.moved(source, "bookworm", suite) for source in build_sources.parse_list(LIST)]
    assert [name for source in moved if source for name in source.suites] == suites
    assert {uri for source in moved if source for uri in source.uris} <= {
        "http://mirror.test/debian",
        "http://mirror.test/debian-security",
    }


def test_both_styles_of_sources_are_read_with_their_keys() -> None:
    archive, security = build_sources.parse_deb822(DEB822)
    moved = build_sources.moved(archive, "bookworm", "trixie")
    assert moved is not None
    assert moved.suites == ("trixie", "trixie-updates")
    assert moved.options == {"Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"}
    kept = build_sources.moved(security, "bookworm", "trixie")
    assert kept is not None
    (again,) = build_sources.parse_deb822(build_sources.deb822(kept))
    assert again.options["Signed-By"] == security.options["Signed-By"]


def test_missing_programs_are_told_before_anything_is_begun_with_their_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build_tools, "FOLDERS", ("/nonexistent",))
    with pytest.raises(Unavailable, match="mformat, mmdebstrap are missing") as caught:
        build_tools.require(LocalHost(), ("mformat", "mmdebstrap"))
    assert caught.value.hint == "apt-get install mmdebstrap mtools"


@pytest.mark.parametrize("hours", [-24 * 365, 24 * 365])
def test_a_kept_tree_whose_age_nobody_knows_is_made_anew(tmp_path: Path, hours: int) -> None:
    tree = tmp_path / "tree.tar"
    tree.touch()
    work = SimpleNamespace(fresh=False)
    assert build_full._usable(work, tree)  # type: ignore[arg-type]
    os.utime(tree, (time.time() + hours * 3600,) * 2)
    assert not build_full._usable(work, tree)  # type: ignore[arg-type]
