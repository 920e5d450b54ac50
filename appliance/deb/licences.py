"""The copyright file: the project's licence, and of every library in the virtual environment what its wheel says."""

import re
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

SITE = "usr/lib/origo/venv/lib/python3*/site-packages"
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
COMMON = {
    "Apache-2.0": "Apache-2.0",
    "LGPL-2+": "LGPL-2",
    "LGPL-2.1": "LGPL-2.1",
    "LGPL-2.1+": "LGPL-2.1",
    "MPL-2.0": "MPL-2.0",
}
"""Licences whose text every Debian has in /usr/share/common-licenses, by Debian's names for them."""
NAMES = {
    "LGPL-v2.0-or-later": "LGPL-2+",
    "LGPL-2.1-only": "LGPL-2.1",
    "LGPL-2.1-or-later": "LGPL-2.1+",
    "MIT": "Expat",
    "BSD-2-Clause": "BSD-2-clause",
    "BSD-3-Clause": "BSD-3-clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-clause",
    "MIT License": "Expat",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2+",
    "OR": "or",
    "AND": "and",
}
"""What libraries call a licence, in Debian's words."""
HOLDER = re.compile(r"\W*Copyright\b.*\d{4}")
NOT_THEIRS = ("Free Software Foundation", "<copyright holders>")
"""Who holds the licence's own text, or nobody."""


def text(wheels: Path) -> str:
    """The file, for what was installed from these wheels."""
    parts = [HEAD]
    parts += [_library(path) for path in sorted(wheels.glob("*.whl")) if not path.name.startswith("origo-")]
    return "\n".join(parts + [_common(name, place) for name, place in sorted(COMMON.items())])


def _library(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        told = next(name for name in names if name.endswith(".dist-info/METADATA"))
        about = HeaderParser().parsestr(archive.read(told).decode())
        own = [name for name in names if ".dist-info/" in name and re.search(r"/(LICEN|COPYING|NOTICE|AUTHORS)", name)]
        texts = [archive.read(name).decode(errors="replace") for name in sorted(own)]
        # Every Debian has the text of this one, and there is none shorter.
        texts = [text for text in texts if "Apache License" not in text[:200]]
    tops = sorted({name.split("/")[0] + ("/*" if "/" in name else "") for name in names if ".data/" not in name})
    licence = _licence(about)
    stanza = "Files: " + "\n ".join(f"{SITE}/{top}" for top in tops)
    stanza += "\nCopyright: " + "\n ".join(_holders(about, texts)) + f"\nLicense: {licence}\n"
    if licence not in COMMON:
        stanza += _indented("\n".join(texts) or f"{about['Name']} says no more about it than this name.")
    return f"{stanza}Comment: {about['Name']} {about['Version']}\n"


def _licence(about: Message) -> str:
    """Its short name, in Debian's form."""
    named = about["License-Expression"]
    if not named:
        classified = [line.rsplit(" :: ", 1)[-1] for line in about.get_all("Classifier") or [] if "License ::" in line]
        named = next((NAMES[one] for one in classified if one in NAMES), about["License"] or "other")
    return " ".join(NAMES.get(word, word) for word in str(named).splitlines()[0].split())


def _holders(about: Message, texts: list[str]) -> list[str]:
    lines = (line.strip(" #*") for one in texts for line in one.splitlines() if HOLDER.match(line))
    found = dict.fromkeys(line for line in lines if not any(name in line for name in NOT_THEIRS))
    return list(found) or [str(about["Author"] or about["Author-email"] or f"the authors of {about['Name']}")]


def _indented(text: str) -> str:
    return "".join(f" {line.rstrip()}\n" if line.strip() else " .\n" for line in text.strip().splitlines())


def _common(name: str, place: str) -> str:
    return f"License: {name}\n The whole text is in /usr/share/common-licenses/{place} on every Debian system.\n"
