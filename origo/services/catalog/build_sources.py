"""Where Debian's packages come from: the machine's own package sources, with another suite put in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from origo.errors import NotFound, Unavailable
from origo.host import Host

ALIASES = {"stable", "oldstable", "testing", "unstable", "sid"}
ROLLING = {"sid", "unstable"}
KEPT = ("Signed-By", "Trusted", "Allow-Insecure", "Allow-Weak")
"""Of an entry's options, those that say how it is trusted; the rest is about the machine itself."""


@dataclass(frozen=True)
class Source:
    """One entry: where, which suites and components, and how it is trusted."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str]


def sources_for(host: Host, suite: str) -> str:
    """The machine's Debian entries for another suite, in the deb822 form. Raises Unavailable if it has none."""
    own = _codename(host)
    found = [entry for source in read_sources(host) if (entry := moved(source, own, suite))]
    if not found:
        raise Unavailable(
            f"cannot find Debian's packages on {host.name}: none of its package sources is Debian's",
            hint="in /etc/apt/sources.list(.d), Debian's entry has the machine's suite and the component 'main'",
        )
    return "\n".join(deb822(entry) for entry in found)


def read_sources(host: Host) -> Iterator[Source]:
    """All entries for binary packages that apt would use on this machine."""
    paths = ["/etc/apt/sources.list"]
    if host.exists("/etc/apt/sources.list.d"):
        paths += [f"/etc/apt/sources.list.d/{name}" for name in host.list("/etc/apt/sources.list.d")]
    for path in paths:
        if not path.endswith((".list", ".sources")):
            continue
        try:
            text = host.read(path).decode(errors="replace")
        except NotFound:
            continue
        yield from parse_deb822(text) if path.endswith(".sources") else parse_list(text)


def parse_list(text: str) -> Iterator[Source]:
    """Entries of the one-line style: `deb [option=value …] uri suite component…`."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if found:
            options = dict(word.split("=", 1) for word in (found[1] or "").split() if "=" in word)
            names = {name.title(): value.replace(",", " ") for name, value in options.items()}
            yield Source((found[2],), (found[3],), tuple(found[4].split()), names)


def parse_deb822(text: str) -> Iterator[Source]:
    """Entries of the deb822 style: paragraphs of `Field: value`, continued by indented lines."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().title()
                fields[name] = value.strip()
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() not in ("no", "false"):
            uris, suites, components = (tuple(fields.get(key, "").split()) for key in ("Uris", "Suites", "Components"))
            yield Source(uris, suites, components, fields)


def moved(source: Source, own: str, suite: str) -> Source | None:
    """The entry with `suite` instead of the machine's own, or None if it is not Debian's."""
    key = source.options.get("Signed-By", "")
    if "main" not in source.components or (key.startswith("/") and "debian" not in key):
        return None
    suites = []
    for found in source.suites:
        base, mark, rest = re.match(r"([^-/]+)([-/]?)(.*)", found).groups()  # type: ignore[union-attr]
        if base not in ALIASES | {own} or rest not in ("", "updates", "security"):
            continue
        if rest and suite in ROLLING:
            continue
        suites.append(suite + mark + rest)
    if not suites:
        return None
    options = {name: source.options[name] for name in KEPT if name in source.options}
    return Source(source.uris, tuple(suites), ("main",), options)


def deb822(source: Source) -> str:
    """The source as a stanza for apt, its names in the order in which apt's own tools write them."""
    fields = {
        "Types": "deb",
        "URIs": " ".join(source.uris),
        "Suites": " ".join(source.suites),
        "Components": " ".join(source.components),
        **source.options,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _codename(host: Host) -> str:
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", host.read("/etc/os-release").decode(), re.MULTILINE)
    return found[1] if found else "sid"
