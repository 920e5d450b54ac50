"""Everything secret: password hashes, keys for browsers and programs, sealed values, and certificates.

The only user of the cryptography library. What is stored in the database is a hash or is sealed; what lies in files
lies under one folder that only root can enter.
"""

import contextlib
import hashlib
import hmac
import ipaddress
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidKey
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from origo.errors import BadInput, OrigoError, TooMany
from origo.secrets import certificates

HASHES_AT_ONCE = 2
"""Each takes 64 MiB while it runs, so a flood of log-ins must not run side by side."""
HASHES_IN_LINE = 16
"""Who waits holds a thread, and a flood of log-ins must leave most of them to others."""
HASH_PATIENCE = 5.0
CERTIFICATE_DAYS = 397
RENEW_DAYS = 30
GIVEN = "certificate.pem"
"""The chain and the key that were given or ordered, in one file, so that both change at once."""
ACCOUNT = "acme-account.key"
EVERY_ADDRESS = [x509.IPAddress(ipaddress.ip_network(network)) for network in ("0.0.0.0/0", "::/0")]
"""Constraints that name no address at all would let an authority vouch for every one (RFC 5280, 4.2.1.10)."""
AUTHORITY = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
"""People trust it once and for all: no clock that is wrong for a while makes it another."""


@dataclass(frozen=True)
class Certificate:
    """Where a certificate, its key and the authority's certificate lie, as PEM files; `serial` tells renewals apart.

    A certificate that was given or ordered lies in one file with its key; the authority is then still our own.
    """

    certificate: Path
    key: Path
    authority: Path
    serial: int
    der: bytes
    """The certificate itself, as it is shown to browsers."""


class Secrets:
    """All secrets of one engine, in the folder `keys` of its home."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder
        self._line = threading.BoundedSemaphore(HASHES_IN_LINE)
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
        try:
            self._fernet = Fernet(self._kept("seal.key", Fernet.generate_key))
        except ValueError:
            raise OrigoError(
                f"cannot use the key {folder / 'seal.key'}: it is damaged",
                hint="put the file back from a backup: what was sealed with it is lost without",
            ) from None
        self._digest_key = self._kept("digest.key", lambda: os.urandom(32))
        self._nobody = ""

    def hash_password(self, password: str) -> str:
        """The Argon2id hash of a password, with its salt and parameters."""
        with self._turn():
            return _argon2(os.urandom(16)).derive_phc_encoded(password.encode())

    def verify_password(self, password: str, hashed: str) -> bool:
        """Whether the password belongs to the hash. An empty hash is nobody's, and takes as long to refuse."""
        if not hashed and not self._nobody:
            self._nobody = self.hash_password(new_key())
        with self._turn():
            try:
                Argon2id.verify_phc_encoded(password.encode(), hashed or self._nobody)
            except InvalidKey:
                return False
        return bool(hashed)

    def seal(self, value: str) -> str:
        """A value that must be readable again, encrypted for the database."""
        return self._fernet.encrypt(value.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """What was sealed here. Raises OrigoError when it was sealed by another engine's key."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise OrigoError(
                "cannot read a sealed value: it was sealed with another key",
                hint=f"put back the file {self.folder / 'seal.key'} of the engine that sealed it",
            ) from None

    def digest(self, value: bytes) -> str:
        """What tells this value from others, and nobody without this engine's key what it is, not even by guessing."""
        return hmac.digest(self._digest_key, value, "sha256").hex()

    def front(self, domain: str) -> Certificate:
        """The certificate of the engine's page and of every stack's: one that was given for it, or else our own.

        Our own is renewed when it is near its end. Its authority can vouch for nothing but names below origo.<domain>,
        and for no address, so that trusting it in a browser risks nothing else.
        """
        name = f"origo.{domain}"
        own = _issue(self.folder / "front", [name, f"*.{name}"], permitted=name)
        try:
            given = self.given()
        except BadInput:
            given = None
        if given is None or certificates.missing(given.names, [name]):
            return own
        return Certificate(self.given_path, self.given_path, own.authority, given.serial, given.der)

    @property
    def given_path(self) -> Path:
        """Where the certificate lies that was given or ordered."""
        return self.folder / GIVEN

    def given(self) -> certificates.Facts | None:
        """What the certificate that was given or ordered says, if there is one. Raises BadInput when it is damaged."""
        return certificates.usable(self.given_path.read_bytes()) if self.given_path.exists() else None

    def account(self) -> bytes:
        """The key by which ACME servers know this engine, made when it is first asked for."""
        return self._kept(ACCOUNT, certificates.new_key)

    def has_account(self) -> bool:
        """Whether there is such a key."""
        return (self.folder / ACCOUNT).exists()

    def forget_account(self) -> None:
        """Remove that key."""
        (self.folder / ACCOUNT).unlink(missing_ok=True)

    def setup(self, names: Sequence[str]) -> Certificate:
        """The certificate of a new engine's set-up pages, for the machine's addresses and the name that comes last.

        Its authority is of no use later on, nobody is asked to trust it, and it can vouch for no other name.
        """
        permitted = next((name for name in reversed(names) if isinstance(_name(name), x509.DNSName)), "invalid")
        return _issue(self.folder / "setup", list(names), permitted=permitted)

    def issue(self, purpose: str, names: Sequence[str]) -> Certificate:
        """A certificate for machines that talk to each other: host names and addresses, as server and as client.

        All of them have one authority; `purpose` is the name of the files. Renewed when it is near its end.
        """
        return _issue(self.folder / "nodes", list(names), purpose=purpose)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        crowd = TooMany("cannot check the password: too many log-ins at once", hint="try again in a moment")
        if not self._line.acquire(blocking=False):
            raise crowd
        try:
            if not self._hashing.acquire(timeout=HASH_PATIENCE):
                raise crowd
            try:
                yield
            finally:
                self._hashing.release()
        finally:
            self._line.release()

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        path = self.folder / name
        if not path.exists():
            _write(path, make())
        return path.read_bytes()


def new_key() -> str:
    """A new key for a browser, a program or a ticket: 256 random bits, shown once and stored only as its digest."""
    return secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is stored of a key. A plain hash does, since nobody can guess 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def fingerprint(certificate: Certificate) -> str:
    """What tells this certificate from all others, as browsers show it."""
    return hashlib.sha256(certificate.der).digest().hex(":").upper()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is."""
    return secrets.compare_digest(one.encode(), other.encode())


def _argon2(salt: bytes) -> Argon2id:
    # One lane: with more, OpenSSL's own threads can wait for each other for ever when two hashes run at once.
    return Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)


def _issue(folder: Path, names: list[str], *, purpose: str = "server", permitted: str | None = None) -> Certificate:
    folder.mkdir(mode=0o700, exist_ok=True)
    addresses = any(isinstance(_name(name), x509.IPAddress) for name in names)
    authority, authority_key = _authority(folder, permitted, addresses=addresses)
    path, key_path = folder / f"{purpose}.crt", folder / f"{purpose}.key"
    if not _fits(path, key_path, authority, names):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(key_path, _pem(key))
        _write(path, _leaf(names, key, authority, authority_key).public_bytes(serialization.Encoding.PEM))
    said = certificates.facts(path.read_bytes())
    return Certificate(path, key_path, folder / "authority.crt", said.serial, said.der)


def _authority(
    folder: Path, permitted: str | None, *, addresses: bool = False
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path, key_path = folder / "authority.crt", folder / "authority.key"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Origo {permitted or 'nodes'}")])
    if path.exists() and key_path.exists():
        old = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        # Another domain than before needs another authority, since this one may not vouch for it.
        if old.subject == subject and old.not_valid_after_utc > _in(CERTIFICATE_DAYS):
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return old, key
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, subject, key, *AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    if permitted:
        only = x509.NameConstraints([x509.DNSName(permitted)], None if addresses else EVERY_ADDRESS)
        builder = builder.add_extension(only, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _write(key_path, _pem(key))
    _write(path, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _leaf(
    names: list[str],
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        _builder(subject, authority.subject, key, _in(-1), _in(CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(both, critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,  # libvirt refuses a certificate without it, whatever the kind of key
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _fits(path: Path, key_path: Path, authority: x509.Certificate, names: list[str]) -> bool:
    if not path.exists() or not key_path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    has = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # whatever is wrong with the old one, a new one mends it
        return False
    return (
        list(has) == [_name(name) for name in names]
        and certificate.not_valid_before_utc <= _in(0)
        and certificate.not_valid_after_utc > _in(RENEW_DAYS)
        and certificate.public_key() == key.public_key()
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _in(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _write(path: Path, data: bytes) -> None:
    """Replace a file of ours at once, readable by root alone from its first byte."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
