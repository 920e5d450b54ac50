"""A stack whose base is an image: taken as it is when it is the one that the recipe names, and refused otherwise."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from origo.errors import BadImage, BadInput
from origo.host import LocalHost
from origo.services.catalog import build, recipe_read

RECIPE = """
name = "mine"
version = "1"
title = "Mine"
[base]
image = "disk.img"
sha256 = "{sha256}"
[[server]]
name = "mine"
memory = "64M"
disk = "{disk}"
[server.data]
size = "32M"
mount = "/data"
"""

pytestmark = pytest.mark.needs("libvirt")


def qemu_img(*words: str) -> str:
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True, text=True, timeout=60).stdout


def built(folder: Path, *, disk: str = "64M", sha256: str = "") -> dict[str, Path]:
    """The masters of the stack whose image is `folder`/disk.img."""
    digest = sha256 or hashlib.sha256((folder / "disk.img").read_bytes()).hexdigest()
    (folder / "recipe.toml").write_text(RECIPE.format(sha256=digest, disk=disk))
    recipe = recipe_read.read(folder)
    paths = {}
    for master in build.masters(recipe, folder):
        paths[master.role] = folder / f"{master.role}.qcow2"
        build.build_master(
            LocalHost(),
            recipe,
            folder,
            master,
            work_folder=str(folder / "work"),
            target_path=str(paths[master.role]),
            cache_folder=str(folder / "cache"),
            log=print,
        )
    return paths


def test_an_image_becomes_a_master_of_the_size_of_the_disk(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", str(tmp_path / "disk.img"), "16M")
    paths = built(tmp_path)
    facts = json.loads(qemu_img("info", "--output=json", str(paths["system"])))
    assert (facts["format"], facts["virtual-size"], facts.get("backing-filename")) == ("qcow2", 64 << 20, None)
    raw = tmp_path / "raw"
    qemu_img("convert", "-O", "raw", str(paths["data"]), str(raw))
    said = subprocess.run(["dumpe2fs", "-h", raw], check=True, capture_output=True, text=True).stdout
    assert "origo-data" in said
    assert not (tmp_path / "work").exists()


def test_an_image_that_changed_is_refused(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", str(tmp_path / "disk.img"), "16M")
    with pytest.raises(BadInput, match="its SHA-256 is"):
        built(tmp_path, sha256="0" * 64)
    assert not (tmp_path / "system.qcow2").exists()


def test_an_image_that_refers_to_a_file_of_the_machine_is_refused(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", str(tmp_path / "disk.img"), "16M")
    with pytest.raises(BadImage):
        built(tmp_path)


def test_an_image_larger_than_the_disk_is_told_with_the_size_that_it_needs(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", str(tmp_path / "disk.img"), "3G")
    with pytest.raises(BadInput) as caught:
        built(tmp_path)
    assert "3G" in caught.value.hint


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"#!/bin/sh\nreboot\n" * 100)
    with pytest.raises(BadImage):
        built(tmp_path)
