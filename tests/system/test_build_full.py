"""The stack debian with a data disk and hostile commands, built in the sandbox and booted."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from origo.errors import CommandFailed
from origo.host import LocalHost
from origo.services.catalog import build, build_sandbox, recipe_read, seed
from origo.services.catalog.build_work import Work, part
from tests.system.bare_guest import boot

DEBIAN = Path(__file__).parents[2] / "appliance/stacks/debian"
CACHE = os.environ.get("ORIGO_CACHE", "/var/cache/origo")
MINE = """
[server.data]
size = "256M"
mount = "/srv/mine"

[[server.file]]
target = "/srv/mine/first.txt"
content = "put there by the recipe"
owner = "www-data:www-data"
mode = "0640"

[[server.service]]
name = "told"
command = "sh -c 'echo \\"$0 $ANSWER_WORD 100%\\" > /srv/mine/told.txt' \\"a b\\""
once = true

[server.connection]
"""
COMMANDS = """\
    "{ id -u; cat /proc/self/uid_map; tail -n +3 /proc/net/dev | cut -d: -f1; } > /var/www/html/evidence",
    "getent hosts example.org >> /var/www/html/evidence || echo no network >> /var/www/html/evidence",
    "mknod /dev/disk b 8 0 2> /dev/null || echo no devices >> /var/www/html/evidence",
    "ln -s /srv/mine /var/www/html/mine",
]
"""

pytestmark = [pytest.mark.needs("mmdebstrap"), pytest.mark.needs("libvirt")]


@pytest.fixture
def sandbox(tmp_path: Path) -> tuple[Work, Path]:
    """A folder that the sandbox may write into, below one that nobody may enter."""
    recipe = recipe_read.read(DEBIAN)
    one = part(recipe, "debian", DEBIAN)
    tmp_path.chmod(0o700)
    lines: list[str] = []
    work = Work(recipe, one.server, one.folder, LocalHost(), tmp_path, Path(CACHE), lines.append)
    build_sandbox.prepare(tmp_path / "folder")
    return work, tmp_path / "folder"


def said(sandbox: tuple[Work, Path], *argv: str) -> str:
    work, folder = sandbox
    build_sandbox.run(work, folder, argv, output=folder.parent / "said")
    return (folder.parent / "said").read_text()


def test_root_in_the_sandbox_is_nobody_outside(sandbox: tuple[Work, Path]) -> None:
    assert said(sandbox, "id", "-u").strip() == "0"
    assert said(sandbox, "cat", "/proc/self/uid_map").split() == ["0", str(build_sandbox.ROOT_INSIDE), "65536"]
    said(sandbox, "touch", "/mnt/made")
    assert (sandbox[1] / "made").stat().st_uid == build_sandbox.ROOT_INSIDE


@pytest.mark.parametrize(
    "argv",
    [
        ("cat", "/etc/shadow"),
        ("touch", "/etc/origo-was-here"),
        ("mount", "-t", "tmpfs", "tmpfs", "/opt"),
        ("mknod", "/mnt/disk", "b", "8", "0"),
        ("chown", "0:0", "/mnt/system.sh"),
        ("sh", "-c", "kill -0 1"),
        ("sh", "-c", "echo > /mnt/system.sh"),
    ],
)
def test_what_belongs_to_the_machine_is_out_of_reach(sandbox: tuple[Work, Path], argv: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed):
        said(sandbox, *argv)
    assert not Path("/etc/origo-was-here").exists()


def test_the_sandbox_has_no_network(sandbox: tuple[Work, Path]) -> None:
    links = said(sandbox, "cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The masters of the recipe with what is added above, by role."""
    folder = Path(shutil.copytree(DEBIAN, tmp_path_factory.mktemp("recipe") / "debian"))
    text = (folder / "recipe.toml").read_text()
    text = text.replace("]\n\n[base]", f"{COMMANDS}\n[base]", 1).replace("\n[server.connection]", MINE.rstrip(), 1)
    text += '\n[[question]]\nname = "word"\ntitle = "A word"\n'
    (folder / "recipe.toml").write_text(text)
    recipe = recipe_read.read(folder)
    target = tmp_path_factory.mktemp("masters")
    for master in build.masters(recipe, folder):
        build.build_master(
            LocalHost(),
            recipe,
            folder,
            master,
            work_folder=str(target / "work"),
            target_path=str(target / f"{master.role}.qcow2"),
            cache_folder=CACHE,
            log=print,
        )
    return {role: target / f"{role}.qcow2" for role in ("system", "data")}


@pytest.mark.timeout(1500)
def test_the_stack_debian_boots_with_its_answers_and_its_data(masters: dict[str, Path], tmp_path: Path) -> None:
    medium = tmp_path / "seed.iso"
    answers = {"word": "it's $HOME"}
    medium.write_bytes(seed.image(seed.Seed("i-1", "mine", "mine", "debian", answers, "/srv/mine")))
    with boot(tmp_path / "run", **masters, seed=medium, memory_mb=1024) as guest:
        assert "Your Debian is up" in guest.get(wait=400)
        assert guest.get("/mine/first.txt") == "put there by the recipe"
        assert guest.get("/mine/told.txt", wait=500) == "a b it's $HOME 100%\n"
        evidence = guest.get("/evidence").split()
        assert evidence == ["0", "0", "2000000000", "65536", "lo", "no", "network", "no", "devices"]
        assert guest.press_power() < 120
        assert guest.process.returncode == 0


@pytest.mark.timeout(1500)
def test_a_master_holds_no_identity(masters: dict[str, Path], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", masters["system"], raw], check=True, timeout=300)
    partition = tmp_path / "partition"
    subprocess.run(["dd", f"if={raw}", f"of={partition}", "bs=1M", "skip=1", "conv=sparse"], check=True, timeout=300)

    def show(command: str) -> str:
        return subprocess.run(["debugfs", "-R", command, partition], capture_output=True, text=True, check=True).stdout

    assert show("cat /etc/machine-id") == ""
    assert "ssh_host" not in show("ls -p /etc/ssh")
    assert "sshd_config" in show("ls -p /etc/ssh")
    assert show("ls -p /var/lib/cloud").count("/") < 20
    assert "first.txt" not in show("ls -p /srv/mine")
    subprocess.run(["e2fsck", "-fn", partition], check=True, capture_output=True, timeout=300)
