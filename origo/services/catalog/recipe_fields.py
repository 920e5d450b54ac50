"""What may stand in a recipe's fields: names, paths, sizes and modes as types that check themselves."""

import re
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def clean(text: str) -> str:
    """One line of printable characters, or ValueError."""
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def _tree_path(text: str) -> str:
    if not text.startswith("/") or any(part in ("", ".", "..") for part in text.split("/")[1:]):
        raise ValueError("must be an absolute path like /srv/www, without '.', '..' or '//'")
    return text


def _source_path(text: str) -> str:
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError("must be a path inside the recipe's folder, without '.' or '..'")
    return text


def _url_path(text: str) -> str:
    if not text.startswith("/") or "//" in text or "\\" in text or " " in text:
        raise ValueError("must be a path like / or /start, without '//'")
    return text


def _words(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be words, quoted as in a shell: {str(error).lower()}") from None
    if not words or not words[0]:
        raise ValueError("must begin with a program")
    return text


def _mode(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch("0?[0-7]{3}", value):
        return int(value, 8)
    raise ValueError('must be permission bits like "0644"')


def _size(least: int, most: int) -> BeforeValidator:
    def read(value: Any) -> int:
        found = re.fullmatch("([1-9][0-9]{0,5})([KMGT])", value) if isinstance(value, str) else None
        if not found:
            raise ValueError('must be a size like "256M" or "8G"')
        size = int(found[1]) * UNITS[found[2]]
        if not least <= size <= most:
            raise ValueError(f"must be between {show_size(least)} and {show_size(most)}")
        return size

    return BeforeValidator(read)


def _matching(pattern: str, says: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"must be {says}")
        return text

    return AfterValidator(check)


def show_size(size: int) -> str:
    """Bytes as a recipe writes them: the largest unit that divides them."""
    for unit in "TGMK":
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)


def _text(most: int, least: int = 1) -> Any:
    return Field(strict=True, min_length=least, max_length=most)


Line = Annotated[str, _text(500), AfterValidator(clean)]
Words = Annotated[str, _text(2000), AfterValidator(clean), AfterValidator(_words)]
Prose = Annotated[str, _text(10_000)]
Name = Annotated[str, _text(32), _matching("[a-z]([a-z0-9-]*[a-z0-9])?", "lower-case letters, digits and '-'")]
Key = Annotated[str, _text(32), _matching("[a-z][a-z0-9_]*", "lower-case letters, digits and '_'")]
Version = Annotated[str, _text(32), _matching("[0-9A-Za-z][0-9A-Za-z.+~-]*", "letters, digits, '.', '+', '~' and '-'")]
Suite = Annotated[str, _text(32), _matching("[a-z]+", "the name of a Debian release, such as bookworm")]
Package = Annotated[str, _text(100), _matching("[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")]
Unit = Annotated[str, _text(64), _matching("[a-z0-9][A-Za-z0-9@._-]*", "the name of a service")]
Owner = Annotated[
    str, _text(70), _matching("[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?|[0-9]{1,5}:[0-9]{1,5}", "user:group or 0:0")
]
Sha256 = Annotated[str, _text(64), _matching("[0-9a-f]{64}", "64 hexadecimal digits")]
TreePath = Annotated[str, _text(500), AfterValidator(clean), AfterValidator(_tree_path)]
SourcePath = Annotated[str, _text(500), AfterValidator(clean), AfterValidator(_source_path)]
Mount = Annotated[TreePath, _matching("[A-Za-z0-9/._-]+", "a path of letters, digits, '.', '_' and '-'")]
UrlPath = Annotated[str, _text(500), AfterValidator(clean), AfterValidator(_url_path)]
Mode = Annotated[int, BeforeValidator(_mode)]
Memory = Annotated[int, _size(32 << 20, 1 << 40)]
DiskSize = Annotated[int, _size(16 << 20, 16 << 40)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]


def counted(least: int, most: int) -> Any:
    """A whole number from `least` to `most`, never a text or a truth value."""
    return Field(strict=True, ge=least, le=most)
