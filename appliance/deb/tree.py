"""The tree that the package is built in: the target's Debian with its compilers, kept by what it is made of."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from origo.host.local import LocalHost
from origo.services.catalog import build_sources, build_work

SUITE = "trixie"
KEPT = Path("/var/cache/origo/deb")
PACKAGES = (
    "dpkg-dev",
    "gcc",
    "libc6-dev",
    "libvirt-dev",
    "lintian",
    "pkg-config",
    "python3",
    "python3-dev",
    "python3-pip",
    "python3-setuptools",
    "python3-venv",
    "python3-wheel",
    "xz-utils",
)
WORK = "/build"
"""Where the folder of a build appears in the tree, whatever it is called outside."""
HOME = "/usr/lib/origo"
"""The one path of the package that is filled by running its own Python, so it must be there while building."""


def ready(*, suite: str = SUITE) -> Path:
    """The tree, made by mmdebstrap from the machine's own package sources where it is not kept yet."""
    ingredients = json.dumps([suite, PACKAGES, WORK, HOME]).encode()
    target = KEPT / hashlib.sha256(ingredients).hexdigest()[:32]
    with build_work.alone(KEPT):
        if target.exists():
            return target
        half = KEPT / "half"
        shutil.rmtree(half, ignore_errors=True)
        sources = KEPT / "debian.sources"
        sources.write_text(build_sources.sources_for(LocalHost(), suite))
        make = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        make += [f'--customize-hook=mkdir "$1{WORK}" "$1{HOME}"', suite, str(half), str(sources)]
        # Its mounts and processes are in namespaces that end with it: a kill leaves a folder, and nothing else.
        subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", *make], check=True, timeout=3600)
        half.rename(target)
    return target


def run(tree: Path, work: Path, argv: Sequence[str], *, epoch: int, home: Path | None = None) -> str:
    """Run `argv` in the tree with `work` as /build and without any network; what it prints is returned.

    Only `work` and, where given, `home` as /usr/lib/origo can be written. This machine's environment is not seen.
    """
    sandbox = ["bwrap", "--ro-bind", str(tree), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    sandbox += ["--bind", str(work), WORK, "--chdir", WORK, "--unshare-all", "--die-with-parent"]
    sandbox += ["--bind", str(home), HOME] if home else []
    environment = {
        "HOME": "/tmp",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(epoch),
        "TZ": "UTC",
    }
    ended = subprocess.run(
        [*sandbox, *argv], check=True, timeout=3600, stdout=subprocess.PIPE, text=True, env=environment
    )
    return ended.stdout
