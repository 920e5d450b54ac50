"""The Debian package: the sources and the locked wheels, made into a virtual environment in the target's own Debian."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.deb import control, layout, sources, tree
from origo.errors import BadInput, OrigoError


def main(arguments: list[str]) -> int:
    """Make the package; what goes wrong is a sentence, and the status 1."""
    parser = argparse.ArgumentParser(prog="appliance/build-deb", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist"), help="the folder it is put into (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        print(build(options.out))
    except OrigoError as error:
        print(f"build-deb: {error.message}", *([f"({error.hint})"] if error.hint else []), file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"build-deb: cannot go on: {error.cmd[0]} ended with status {error.returncode}", file=sys.stderr)
        return 1
    return 0


def build(out: Path) -> Path:
    """Make the package in `out`; the same sources and the same tree give the same bytes."""
    if os.geteuid() != 0:
        raise BadInput("cannot make Debian's tree as an ordinary user", hint="run it as root (sudo)")
    moment = sources.epoch()
    version = sources.version((sources.ROOT / "CHANGELOG.md").read_text(), moment)
    place = tree.ready()
    with tempfile.TemporaryDirectory(prefix="origo-deb-", dir="/var/tmp") as folder:
        work = Path(folder)
        sources.copy(work)
        sources.download(work)
        compiled = _run(place, work, "inside.sh", moment)
        relations = control.relations(place, compiled)
        layout.lay(work / "root", version=version, moment=moment, relations=relations)
        _run(place, work, "finish.sh", moment)
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"origo_{version}_amd64.deb"
        half = target.with_suffix(".half")
        shutil.copyfile(work / "origo.deb", half)
        half.replace(target)
    return target


def _run(place: Path, work: Path, script: str, moment: int) -> str:
    """Run one of the scripts beside this file in the tree."""
    home = work / "root" / tree.HOME.lstrip("/")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name(script), work)
    return tree.run(place, work, ["sh", script], epoch=moment, home=home)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
