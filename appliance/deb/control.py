"""What dpkg is told of the package: its relations, from the files that already say what needs what, and its history."""

import datetime
import email.utils
import re
import subprocess
import textwrap
import tomllib
from pathlib import Path

from appliance.deb.sources import PYTHON, ROOT

GROUPS = ("base", "build", "installed")
OUTSIDE_MAIN = {"zfsutils-linux": "contrib"}
"""What Debian itself does not contain; apt leaves it out where the machine's sources do not offer it."""
MAINTAINER = "Origo maintainers <maintainers@origo.invalid>"

CONTROL = """\
Package: origo
Version: {version}
Architecture: amd64
Maintainer: {maintainer}
Installed-Size: {size}
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: {depends}
Recommends: {recommends}
Section: admin
Priority: optional
Description: private cloud with one-click stacks
 Origo makes this machine an engine: people install stacks, which are services
 packaged as virtual machines, with one click or one command. Origo clones
 their disks, connects and starts the servers, and shows each stack's own page
 inside its own, over https and with one log-in.
 .
 The package starts the engine. A link to set it up is on the console and in
 the journal (journalctl -u origo).
"""


def relations(tree: Path, compiled: str) -> tuple[list[str], list[str]]:
    """Depends and Recommends; `compiled` is what the compiled parts need."""
    base = tomllib.loads((ROOT / "appliance" / "base.toml").read_text())
    wanted = {name for group in GROUPS for name in base[group]["packages"]}
    for plugin in sorted((ROOT / "plugins").glob("*/plugin.toml")):
        wanted.update(tomllib.loads(plugin.read_text())["packages"])
    wanted -= {"python3", *_essential(tree)}
    following = _after(PYTHON)
    depends = [f"python3 (>= {PYTHON}~)", f"python3 (<< {following}~)", *re.split(r",\s*", compiled.strip())]
    depends += sorted(wanted - set(OUTSIDE_MAIN))
    return ["debconf (>= 0.5) | debconf-2.0", *depends], sorted(wanted & set(OUTSIDE_MAIN))


def control(version: str, size: int, depends: list[str], recommends: list[str]) -> str:
    """The control file."""
    return CONTROL.format(
        version=version,
        maintainer=MAINTAINER,
        size=size,
        depends=", ".join(depends),
        recommends=", ".join(recommends),
    )


def history(changelog: str, version: str, moment: int) -> str:
    """The package's changelog in Debian's form: the newest part of the project's own."""
    newest = re.split(r"^## .+$", changelog, flags=re.MULTILINE)[1]
    lines = [f"origo ({version}) trixie; urgency=medium", ""]
    for item in re.findall(r"^- (.+)$", newest, re.MULTILINE):
        lines += textwrap.wrap(item, 78, initial_indent="  * ", subsequent_indent="    ", break_on_hyphens=False)
    date = email.utils.format_datetime(datetime.datetime.fromtimestamp(moment, datetime.UTC))
    return "\n".join([*lines, "", f" -- {MAINTAINER}  {date}", ""])


def installed_size(root: Path) -> int:
    """In KiB, as dpkg counts: each file rounded up, one for everything else."""
    return sum(
        -(-path.lstat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1 for path in root.rglob("*")
    )


def _essential(tree: Path) -> set[str]:
    """The packages that every Debian has."""
    command = ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f", "${Package} ${Essential}\\n"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {line.split()[0] for line in lines if line.endswith(" yes")}


def _after(python: str) -> str:
    major, minor = python.split(".")
    return f"{major}.{int(minor) + 1}"
