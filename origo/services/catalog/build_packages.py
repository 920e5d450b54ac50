"""Debian packages for a tree: found by the machine's apt in a world of its own, kept in a cache by their content."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from origo.errors import CommandFailed, NotFound, Unavailable
from origo.host import Host
from origo.services.catalog.build_sources import sources_for

FRESH_SECONDS = 24 * 3600
"""Lists of packages younger than this are not asked for again."""
HELPER = "/usr/lib/apt/apt-helper"

Log = Callable[[str], None]


@dataclass(frozen=True)
class Package:
    """One file to fetch, and the hash that apt expects of it."""

    uri: str
    file: str
    hash: str


class Archive:
    """Debian's packages of one suite, as the machine's own sources offer them.

    `cache_folder` keeps the lists and every package that was fetched; nothing of the machine's own apt is changed.
    """

    def __init__(self, host: Host, suite: str, cache_folder: str, log: Log) -> None:
        self.host = host
        self.suite = suite
        self.log = log
        self.sources = sources_for(host, suite)
        mark = hashlib.sha256(self.sources.encode()).hexdigest()[:12]
        self.root = Path(cache_folder, "apt", f"{suite}-{mark}")
        self.packages = Path(cache_folder, "packages")
        self.architecture = host.run(["dpkg", "--print-architecture"]).text.strip()

    def refresh(self, *, fresh: bool = False) -> None:
        """Have lists of packages of today (`fresh`: of now); older ones do where the mirror cannot be reached."""
        stamp = self.root / "fresh"
        known = self.host.exists(str(stamp))
        if known and not fresh and abs(time.time() - self.host.stat(str(stamp)).modified) < FRESH_SECONDS:
            return
        for folder in ("state/lists/partial", "cache/archives/partial", "asked"):
            self.host.make_folder(str(self.root / folder))
        self.host.make_folder(str(self.packages))
        self.host.write(str(self.root / "debian.sources"), self.sources.encode())
        self.host.write(str(self.root / "status"), b"")
        self.log(f"fetching the lists of packages of {self.suite}")
        try:
            self._apt("apt-get", "-q", "update", timeout=600)
        except CommandFailed as error:
            if not known:
                raise Unavailable(
                    f"cannot fetch the lists of packages of {self.suite}: {_last_line(error)}",
                    hint="the machine's own package sources are used; see whether `apt-get update` works",
                ) from error
            self.log(f"the lists of packages could not be refreshed, older ones are used: {_last_line(error)}")
            return
        for name in self.host.list(str(self.root / "asked")):
            self.host.remove(str(self.root / "asked" / name))
        self.host.write(str(stamp), b"")

    def depends(self, name: str) -> list[str]:
        """The names that a package depends on directly, each the first alternative."""
        try:
            text = self._asked("apt-cache", "show", "--no-all-versions", name)
        except CommandFailed as error:
            raise NotFound(f"cannot find the package {name} in Debian {self.suite}") from error
        found = re.search(r"^Depends: (.*)$", text, re.MULTILINE)
        return [entry.split("|")[0].split("(")[0].strip() for entry in (found[1].split(",") if found else [])]

    def only(self, names: Sequence[str]) -> list[Package]:
        """These packages alone, without what they depend on."""
        return self._found(names, "download", *names)

    def closure(self, names: Sequence[str]) -> list[Package]:
        """These packages and everything that they depend on."""
        return self._found(names, "--yes", "--no-install-recommends", "install", *names)

    def fetch(self, packages: Sequence[Package]) -> list[str]:
        """Paths of the packages' files; only those that are not in the cache are fetched."""
        paths = []
        for package in packages:
            path = str(self.packages / f"{package.hash.split(':')[1][:16]}-{package.file}")
            if not self.host.exists(path):
                self.log(f"fetching {package.file}")
                argv = [HELPER, *self._options(), "download-file", package.uri, path + ".part", package.hash]
                self.host.run(argv, timeout=1800)
                self.host.rename(path + ".part", path)
            paths.append(path)
        return paths

    def _found(self, names: Sequence[str], *words: str) -> list[Package]:
        try:
            text = self._asked("apt-get", "-qq", "--print-uris", *words)
        except CommandFailed as error:
            wanted = ", ".join(names)
            raise NotFound(f"cannot find all of {wanted} in Debian {self.suite}: {_last_line(error)}") from error
        return listed(text)

    def _asked(self, program: str, *words: str) -> str:
        """What apt says, kept for as long as the lists are the same: it takes a second to think of it."""
        question = "\0".join((program, *self._options(), *words))
        place = self.root / "asked" / hashlib.sha256(question.encode()).hexdigest()
        try:
            return self.host.read(str(place)).decode()
        except NotFound:
            text = self._apt(program, *words)
            self.host.write(str(place), text.encode())
            return text

    def _apt(self, program: str, *words: str, timeout: float = 60) -> str:
        return self.host.run([program, *self._options(), *words], timeout=timeout).text

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "Dir::Etc::sourcelist": self.root / "debian.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            # Without it apt tells MD5 alone, which Debian's security archive no longer has.
            "Acquire::ForceHash": "SHA256",
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": "15",
            "Acquire::https::Timeout": "15",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def listed(text: str) -> list[Package]:
    """What `apt-get --print-uris` printed. Raises Unavailable for a package without a hash: it is never left out."""
    packages = []
    for line in text.splitlines():
        if not line.startswith("'"):
            continue
        found = re.fullmatch(r"'([^']+)' (\S+) \d+ (\w+:\w+)\s*", line)
        if not found:
            sentence = f"cannot fetch {line.split()[1]}: apt tells no hash of it"
            raise Unavailable(sentence, hint="see whether `apt-get update` works")
        packages.append(Package(*found.groups()))
    return packages


def _last_line(error: CommandFailed) -> str:
    lines = [line for line in str(error.details.get("error", "")).splitlines() if line.strip()]
    return lines[-1].strip() if lines else error.message
