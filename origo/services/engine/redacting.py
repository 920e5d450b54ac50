"""Text without its secrets: what looks like one is taken out, rather once too often."""

import re

REMOVED = "[removed]"
NAMES = (
    r"passw(?:or)?d|passphrase|secret|token|cookie|authorization|credential|tsig"
    r"|(?:api|private|recovery|dns|seal)[ _-]?key"
)
WHOLE = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\A[A-Za-z0-9+/=\s]*-----END [A-Z ]*PRIVATE KEY-----"),  # one whose beginning was cut off
    re.compile(r"\b[A-Z2-7]{7}(?:-[A-Z2-7]{7}){7}\b"),  # a recovery key
    re.compile(r"\borigo_[A-Za-z0-9_-]{20,}"),  # a token
    re.compile(r"\bgAAAA[A-Za-z0-9_=-]{20,}"),  # a sealed value
    re.compile(r"\$(?:argon2\w*|scrypt|[1256y]|2[aby])\$[^\s\"']+"),  # a password's hash
    re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),  # a key of ours: session, ticket, link
    re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{20,}={1,2}"),  # a key in base64, such as that of TSIG
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # name and password in an address
)
AFTER = (
    re.compile(r"((?:ticket=|/setup/|__Host-origo=))[A-Za-z0-9_-]{8,}"),
    re.compile(r"(\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(
        rf"""(["']?[\w.-]{{0,40}}(?:{NAMES})[\w.-]{{0,40}}["']?\s*[=:]\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}}]+)""",
        re.IGNORECASE,
    ),
    re.compile(rf"""(--[\w-]*(?:{NAMES})[\w-]*\s+)\S+""", re.IGNORECASE),
)


def redacted(text: str) -> str:
    """The text, with all that looks like a secret taken out."""
    for pattern in WHOLE:
        text = pattern.sub(REMOVED, text)
    for pattern in AFTER:
        text = pattern.sub(rf"\1{REMOVED}", text)
    return text
