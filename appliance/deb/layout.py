"""The files of the package besides its virtual environment, each from where the project keeps it."""

import shutil
from pathlib import Path

from appliance.deb import control, licences, manual
from appliance.deb.sources import ROOT

HERE = Path(__file__).parent
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
APT = "etc/apt/apt.conf.d/52origo"
"""Which updates are installed by themselves; what an administrator changes in it stays."""


def lay(root: Path, *, version: str, moment: int, relations: tuple[list[str], list[str]]) -> None:
    """Put everything into `root`, whose virtual environment is there already."""
    place_program(root)
    _copy(HERE / "apt.conf", root / APT)
    _copy(HERE / "journald.conf", root / "usr/lib/systemd/journald.conf.d/50-origo.conf")
    _copy(HERE / "lintian-overrides", root / "usr/share/lintian/overrides/origo")
    _write(root / "usr/share/man/man1/origo.1", manual.page(version, moment))
    for place, script in manual.completions().items():
        _write(root / place, script)
    _write(root / "usr/share/doc/origo/copyright", licences.text(root.parent / "wheels"))
    changelog = (ROOT / "CHANGELOG.md").read_text()
    _write(root / "usr/share/doc/origo/changelog", control.history(changelog, version, moment))
    _even(root)
    _control(root, version, relations)


def place_program(root: Path) -> None:
    """What runs the environment in `root`: links, units, their scripts and settings."""
    # The program that runs is the one that `current` leads to: after an upgrade that failed, the former.
    _link(root / "usr/bin/origo", "../lib/origo/current/bin/origo")
    _link(root / "usr/lib/origo/current", "venv")
    _link(root / "usr/lib/origo/venv/appliance.toml", "../../../share/origo/appliance.toml")
    for recipe in sorted((ROOT / "appliance" / "stacks").iterdir()):
        shutil.copytree(recipe, root / "usr/share/origo/stacks" / recipe.name)
    _copy(HERE / "appliance.toml", root / "usr/share/origo/appliance.toml")
    for unit in sorted((ROOT / "appliance" / "units").glob("*.*")):
        _copy(unit, root / "usr/lib/systemd/system" / unit.name)
    for script in ("bound-zfs-cache", "go-back"):
        _copy(HERE / script, root / "usr/lib/origo" / script, mode=0o755)
    _copy(HERE / "tmpfiles.conf", root / "usr/lib/tmpfiles.d/origo.conf")


def _control(root: Path, version: str, relations: tuple[list[str], list[str]]) -> None:
    """The folder that dpkg reads; it is no part of what is installed."""
    size = control.installed_size(root)
    _write(root / "DEBIAN/control", control.control(version, size, *relations))
    _write(root / "DEBIAN/conffiles", f"/{APT}\n")
    put_scripts(root)


def put_scripts(root: Path) -> None:
    """What dpkg runs before and after it changes the files."""
    _copy(HERE / "templates", root / "DEBIAN/templates")
    for name in SCRIPTS:
        _copy(HERE / name, root / "DEBIAN" / name, mode=0o755)
    (root / "DEBIAN").chmod(0o755)


def _link(place: Path, target: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def _copy(source: Path, target: Path, *, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(0o644)


def _even(root: Path) -> None:
    """Modes as the package has them, whatever umask the sources were checked out with."""
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
