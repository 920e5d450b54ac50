"""What only the recovery key opens: the engine writes it with a public key, and could not read it itself."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from origo.errors import BadInput

MAGIC = b"origo backup 1\n"
KEY_BYTES = 32
CHECK_BYTES = 3
GROUP = 7
NONCE = bytes(12)
"""Each file has a key of its own, so one nonce does for all."""


def new_pair() -> tuple[str, str]:
    """A recovery key, to be shown to a person once, and the public key that the engine keeps."""
    private = X25519PrivateKey.generate()
    raw = private.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    text = base64.b32encode(raw + _check(raw)).decode().rstrip("=")
    key = "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))
    return key, _raw(private.public_key()).hex()


def encrypt(public: str, content: bytes) -> bytes:
    """What only the recovery key of that public key opens."""
    mine = X25519PrivateKey.from_private_bytes(os.urandom(KEY_BYTES))
    theirs = X25519PublicKey.from_public_bytes(bytes.fromhex(public))
    head = MAGIC + _raw(mine.public_key())
    return head + _cipher(mine.exchange(theirs), head, bytes.fromhex(public)).encrypt(NONCE, content, head)


def decrypt(key: str, sealed: bytes) -> bytes:
    """The content. Raises BadInput for a key that is mistyped or another file's, or a file that is damaged."""
    private = _private(key)
    size = len(MAGIC) + KEY_BYTES
    head, rest = sealed[:size], sealed[size:]
    if not head.startswith(MAGIC) or len(head) < size:
        raise BadInput("cannot read the backup: the file is none, or a newer version of Origo wrote it")
    theirs = X25519PublicKey.from_public_bytes(head[len(MAGIC) :])
    try:
        return _cipher(private.exchange(theirs), head, _raw(private.public_key())).decrypt(NONCE, rest, head)
    except (InvalidTag, ValueError):
        raise BadInput(
            "cannot read the backup: it was written for another recovery key, or is damaged",
            hint="a backup is opened by the recovery key that was the newest when it was written",
        ) from None


def check(key: str) -> None:
    """Raise BadInput for what is no recovery key."""
    _private(key)


def _private(key: str) -> X25519PrivateKey:
    text = "".join(key.upper().replace("-", " ").split())
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES + CHECK_BYTES or raw[KEY_BYTES:] != _check(raw[:KEY_BYTES]):
        raise BadInput("cannot use this recovery key: it is mistyped", hint="it has 8 groups of 7 letters and digits")
    return X25519PrivateKey.from_private_bytes(raw[:KEY_BYTES])


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()[:CHECK_BYTES]


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _cipher(shared: bytes, head: bytes, public: bytes) -> ChaCha20Poly1305:
    derived = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=head + public).derive(shared)
    return ChaCha20Poly1305(derived)
