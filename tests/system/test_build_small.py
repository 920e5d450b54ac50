"""The stack hello, built from Debian's packages and booted."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from origo.errors import Cancelled, NoRoom, NotFound
from origo.host import Job, LocalHost, job
from origo.services.catalog import build, descriptor, recipe_read, seed
from tests.system.bare_guest import boot

HELLO = Path(__file__).parents[2] / "appliance/stacks/hello"
CACHE = os.environ.get("ORIGO_CACHE", "/var/cache/origo")
HOSTILE = "<script>alert(1)</script> $(reboot) `reboot` ' \" é"
BOOT_SECONDS = 60
"""Emulated, on a machine that others use too; alone it takes 5."""

pytestmark = [pytest.mark.needs("slirp4netns"), pytest.mark.needs("libvirt"), pytest.mark.timeout(300)]


def built(folder: Path, recipe_folder: Path = HELLO) -> dict[str, Path]:
    """The masters of a recipe, by role."""
    recipe = recipe_read.read(recipe_folder)
    paths = {}
    for master in build.masters(recipe, recipe_folder):
        paths[master.role] = folder / f"{master.role}.qcow2"
        build.build_master(
            LocalHost(),
            recipe,
            recipe_folder,
            master,
            work_folder=str(folder / "work"),
            target_path=str(paths[master.role]),
            cache_folder=CACHE,
            log=lambda line: None,
        )
    return paths


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return built(tmp_path_factory.mktemp("masters"))


@pytest.fixture
def disks(masters: dict[str, Path], tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Children of the masters, and a seed."""
    paths = {role: tmp_path / f"{role}.qcow2" for role in masters}
    for role, master in masters.items():
        qemu_img("create", "-q", "-f", "qcow2", "-b", str(master), "-F", "qcow2", str(paths[role]))
    paths["seed"] = tmp_path / "seed.iso"
    paths["seed"].write_bytes(seed.image(seed.Seed("i", "mine-web", "mine", "web", {"greeting": HOSTILE}, "/data")))
    yield paths


def qemu_img(*words: str) -> str:
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True, text=True, timeout=60).stdout


def count(page: str) -> int:
    found = re.search(r'id="count">(\d+)<', page)
    assert found, page
    return int(found[1])


def test_masters_are_whole_small_and_stand_alone(masters: dict[str, Path]) -> None:
    assert masters["system"].stat().st_size < 20_000_000
    for path in masters.values():
        assert '"backing-filename"' not in qemu_img("info", "--output=json", str(path))
        qemu_img("check", "-q", str(path))
        assert not path.with_name(path.name + build.HALF).exists()
        assert not (path.parent / "work").exists()


def test_the_descriptor_names_each_master_by_its_bytes(masters: dict[str, Path]) -> None:
    recipe = recipe_read.read(HELLO)
    files = [
        build.master_file(LocalHost(), master, str(masters[master.role])) for master in build.masters(recipe, HELLO)
    ]
    found = descriptor.describe(recipe, build.digest(recipe, HELLO), files)
    said = subprocess.run(["sha256sum", masters["system"]], check=True, capture_output=True, text=True).stdout.split()[
        0
    ]
    assert found.master("web", "system").sha256 == said
    assert descriptor.read(descriptor.write(found)) == found


def test_the_page_shows_the_answer_and_runs_nothing_of_it(disks: dict[str, Path], tmp_path: Path) -> None:
    with boot(tmp_path / "run", **disks, memory_mb=128) as guest:
        page = guest.get(wait=BOOT_SECONDS)
        assert "&lt;script&gt;alert(1)&lt;/script&gt; $(reboot) `reboot` ' &quot; é" in page
        assert "<script" not in page
        assert "mine-web" in page
        evil = {"X-Evil": "$(reboot) <b>", "Cookie": "a=<script>; hello=1"}
        assert "HTTP_X_EVIL=$(reboot) <b>" in guest.get("/cgi-bin/headers.cgi", headers=evil)
        assert "a=&lt;script&gt;; hello=1" in guest.get(headers=evil)
        for path in (
            "/../../etc/origo/answers.env",
            "/%2e%2e/%2e%2e/etc/origo/answers.env",
            "/cgi-bin/../../../etc/inittab",
        ):
            answer = subprocess.run(
                ["curl", "-s", "-o", "-", "-m", "10", "--path-as-is", f"http://127.0.0.1:{guest.port}{path}"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            assert "ANSWER_" not in answer
            assert "sysinit" not in answer


def test_the_counter_survives_a_new_system_disk_and_the_power_button(disks: dict[str, Path], tmp_path: Path) -> None:
    with boot(tmp_path / "first", **disks, memory_mb=128) as guest:
        first = [count(guest.get(wait=BOOT_SECONDS)), count(guest.get()), count(guest.get())]
        assert first == [1, 2, 3]
        assert guest.press_power() < 10
        assert guest.process.returncode == 0
    rebuilt = tmp_path / "rebuilt"
    rebuilt.mkdir()
    disks["system"] = built(rebuilt)["system"]
    with boot(tmp_path / "second", **disks, memory_mb=128) as guest:
        assert count(guest.get(wait=BOOT_SECONDS)) == 4


def test_a_larger_data_disk_is_used_to_its_end(disks: dict[str, Path], tmp_path: Path) -> None:
    qemu_img("resize", "-q", str(disks["data"]), "512M")
    with boot(tmp_path / "run", **disks, memory_mb=128) as guest:
        guest.get(wait=BOOT_SECONDS)
        assert guest.press_power() < 10
    raw = tmp_path / "raw"
    qemu_img("convert", "-O", "raw", str(disks["data"]), str(raw))
    header = subprocess.run(["dumpe2fs", "-h", raw], check=True, capture_output=True, text=True).stdout
    found = dict(re.findall(r"^(Block count|Block size): +(\d+)$", header, re.MULTILINE))
    assert int(found["Block count"]) * int(found["Block size"]) == 512 << 20
    subprocess.run(["e2fsck", "-fn", raw], check=True, capture_output=True)


def test_without_its_data_disk_nothing_is_served_and_that_is_said(disks: dict[str, Path], tmp_path: Path) -> None:
    del disks["data"]
    with boot(tmp_path / "run", **disks, data=None, memory_mb=128) as guest:
        with pytest.raises(AssertionError):
            guest.get(wait=25)
        assert "cannot mount the data disk at /data" in guest.console()


def test_a_cancelled_build_leaves_no_master_and_can_be_done_again(tmp_path: Path) -> None:
    cancelled = [False]

    def report(fraction: float, text: str) -> None:
        cancelled[0] = fraction > 0.4

    with pytest.raises(Cancelled), job(Job("test-build-cancel", report, lambda: cancelled[0])):
        built(tmp_path)
    assert not (tmp_path / "system.qcow2").exists()
    assert built(tmp_path)["system"].exists()


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/recipe.toml").write_text(
        'name = "x"\nversion = "1"\ntitle = "X"\npackages = ["no-such-package"]\n'
        '[base]\nsuite = "bookworm"\nform = "small"\n[[server]]\nname = "x"\nmemory = "64M"\ndisk = "64M"\n'
    )
    with pytest.raises(NotFound, match="no-such-package"):
        built(tmp_path, tmp_path / "recipe")


def test_a_system_disk_that_is_too_small_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/recipe.toml").write_text(
        'name = "x"\nversion = "1"\ntitle = "X"\n'
        '[base]\nsuite = "bookworm"\nform = "small"\n[[server]]\nname = "x"\nmemory = "64M"\ndisk = "16M"\n'
    )
    with pytest.raises(NoRoom) as caught:
        built(tmp_path, tmp_path / "recipe")
    assert "disk" in caught.value.hint
