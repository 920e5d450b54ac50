"""The copyright file: the project's licence, and of every library in the virtual environment what it says itself."""

import re
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

SITE = "usr/lib/origo/venv/lib"
HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Origo
Comment: The virtual environment in /usr/lib/origo holds Python libraries of
 others, in the versions and with the hashes that requirements.runtime.lock in
 Origo's source names. Each has its own licence, told below.

Files: *
Copyright: The Origo authors
License: Apache-2.0
"""
COMMON = {"Apache-2.0": "Apache-2.0", "MPL-2.0": "MPL-2.0", "LGPL-2.1-or-later": "LGPL-2.1"}
"""Licences whose text every Debian has in /usr/share/common-licenses."""
CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-clause",
    "MIT License": "Expat",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
}
"""What older metadata calls a licence, in today's words."""


def text(root: Path) -> str:
    """The file, for the virtual environment in `root`."""
    parts = [HEAD]
    for folder in sorted((root / SITE).glob("python3*/site-packages/*.dist-info")):
        if not folder.name.startswith("origo-"):
            parts.append(_library(folder, root))
    parts += [_common(name, place) for name, place in sorted(COMMON.items())]
    return "\n".join(parts)


def _library(folder: Path, root: Path) -> str:
    about = HeaderParser().parsestr((folder / "METADATA").read_text())
    files = sorted(path for path in folder.rglob("*") if re.match("(LICEN|COPYING|NOTICE|AUTHORS)", path.name.upper()))
    texts = [path.read_text(errors="replace") for path in files if path.is_file()]
    found = [
        line.strip(" #*") for one in texts for line in one.splitlines() if re.match(r"\W*Copyright\b.*\d{4}", line)
    ]
    holders = list(dict.fromkeys(found)) or [_author(about)]
    licence = _licence(about)
    stanza = f"Files: {folder.parent.relative_to(root)}/{_pattern(folder)}\nCopyright: " + "\n ".join(holders)
    stanza += f"\nLicense: {licence}\n"
    if licence not in COMMON:
        stanza += _indented("\n".join(texts) or f"See {about['Home-page'] or 'its own documentation'}.")
    return f"{stanza}Comment: {about['Name']} {about['Version']}\n"


def _licence(about: Message) -> str:
    """Its short name, in Debian's form for one word."""
    named = about["License-Expression"]
    if not named:
        classified = [line.rsplit(" :: ", 1)[-1] for line in about.get_all("Classifier") or [] if "License ::" in line]
        named = next((CLASSIFIED[one] for one in classified if one in CLASSIFIED), about["License"] or "other")
    words = {"MIT": "Expat", "BSD-3-Clause": "BSD-3-clause", "BSD-2-Clause": "BSD-2-clause"}
    text = " ".join(words.get(word, word) for word in str(named).splitlines()[0].split())
    # Each library's own text belongs to its own paragraph, so a name that is not everybody's is made the library's.
    return text.replace(" OR ", " or ").replace(" AND ", " and ")


def _author(about: Message) -> str:
    return str(about["Author"] or about["Author-email"] or f"the authors of {about['Name']}")


def _pattern(folder: Path) -> str:
    """The folders or modules that the library put there, as one pattern."""
    return f"{folder.name.split('-', 1)[0].lower()}*"


def _indented(text: str) -> str:
    return "".join(f" {line.rstrip()}\n" if line.strip() else " .\n" for line in text.strip().splitlines())


def _common(name: str, place: str) -> str:
    return f"License: {name}\n The whole text is in /usr/share/common-licenses/{place} on every Debian system.\n"
