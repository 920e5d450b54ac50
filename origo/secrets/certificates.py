"""Certificates from elsewhere: what one says, whether it can serve as the engine's, and what asks for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from origo.errors import BadInput

LEAST_RSA_BITS = 2048
PLAIN = serialization.NoEncryption()
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@dataclass(frozen=True)
class Facts:
    """What a certificate says: for which names, from when until when (seconds since 1970), and who signed it."""

    names: tuple[str, ...]
    since: float
    until: float
    serial: int
    issuer: str
    der: bytes


def facts(pem: bytes) -> Facts:
    """Of the first certificate there. Raises BadInput when there is none."""
    return _facts(_chain(pem)[0])


def missing(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted names that a certificate for `names` is not good for; a star stands for one label."""
    return [name for name in wanted if name not in names and f"*.{name.partition('.')[2]}" not in names]


def checked(chain: bytes, key: bytes, wanted: Sequence[str]) -> bytes:
    """The chain and its key in one PEM text, if they can serve those names now. Raises BadInput with what is wrong."""
    certificates, private = _chain(chain), _private(key)
    _belong_together(certificates, private)
    _in_order(certificates)
    for certificate in certificates:
        _valid_now(certificate)
    _for_servers(certificates[0])
    found = _facts(certificates[0]).names
    if lacking := missing(found, wanted):
        raise BadInput(
            f"cannot use the certificate: it is not for {lacking[0]}",
            hint=f"it must be for {' and '.join(wanted)}; this one is for {', '.join(found) or 'no name'}",
        )
    parts = [certificate.public_bytes(PEM) for certificate in certificates]
    return b"".join([*parts, private.private_bytes(PEM, PKCS8, PLAIN)])


def usable(pem: bytes) -> Facts:
    """The facts of a chain with its key, whatever the time is. Raises BadInput when they are damaged."""
    certificates = _chain(pem)
    _belong_together(certificates, _private(pem))
    return _facts(certificates[0])


def new_key() -> bytes:
    """A new private key as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, PLAIN)


def request(key: bytes, names: Sequence[str]) -> bytes:
    """What asks an authority for a certificate of that key for these names, as PEM."""
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(alternatives, critical=False).sign(_private(key), hashes.SHA256()).public_bytes(PEM)


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadInput(
            "cannot read the chain: there is no certificate in it, or a damaged one",
            hint="it is a text in which each certificate begins with -----BEGIN CERTIFICATE-----",
        ) from error


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    begin = pem.rfind(b"-----BEGIN ", 0, pem.rfind(b"PRIVATE KEY-----") + 1)
    try:
        key = serialization.load_pem_private_key(pem[max(begin, 0) :], None)
    except TypeError:
        raise BadInput(
            "cannot use the key: it is encrypted with a password",
            hint="`openssl pkey -in KEY -out PLAIN` writes one without",
        ) from None
    except ValueError as error:
        raise BadInput(
            "cannot read the key: it is no private key, or damaged",
            hint="it is a text that begins with -----BEGIN PRIVATE KEY-----",
        ) from error
    good = isinstance(key, ec.EllipticCurvePrivateKey) or (
        isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS
    )
    if not good:
        raise BadInput(
            "cannot use the key: browsers take no such kind",
            hint=f"it must be RSA with at least {LEAST_RSA_BITS} bits, or ECDSA",
        )
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def _belong_together(chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    places = [number for number, one in enumerate(chain, 1) if one.public_key() == key.public_key()]
    if not places:
        raise BadInput(
            f"cannot use the key: it does not belong to the certificate of {_subject(chain[0])}",
            hint="give the key that the certificate was asked for with",
        )
    if places[0] != 1:
        raise BadInput(
            f"cannot use the chain: it is in the wrong order, the engine's own certificate is number {places[0]} in it",
            hint="put that first, then the one that signed it, and so on",
        )


def _in_order(chain: list[x509.Certificate]) -> None:
    for number, (one, signer) in enumerate(zip(chain, chain[1:], strict=False), 2):
        try:
            one.verify_directly_issued_by(signer)
        except Exception as error:  # it says in many ways that another one has signed it
            raise BadInput(
                f"cannot use the chain: its certificate {number}, {_subject(signer)}, has not signed the one before, "
                f"{_subject(one)}",
                hint=f"the one after it must be that of {one.issuer.rfc4514_string()}",
            ) from error


def _valid_now(certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc <= now:
        raise BadInput(
            f"cannot use the certificate of {_subject(certificate)}: it was valid until "
            f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            hint="ask its authority for a new one",
        )
    if certificate.not_valid_before_utc > now:
        raise BadInput(
            f"cannot use the certificate of {_subject(certificate)}: it is valid only from "
            f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on",
            hint=f"wait until then, or set this machine's clock right: it says {now:%Y-%m-%d %H:%M} UTC",
        )


def _for_servers(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise BadInput(
                f"cannot use the certificate of {_subject(certificate)}: it is an authority's own",
                hint="give one that an authority has signed for the engine's names",
            )
    except x509.ExtensionNotFound:
        pass
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in uses and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in uses:
        raise BadInput(f"cannot use the certificate of {_subject(certificate)}: it is not for servers")


def _facts(certificate: x509.Certificate) -> Facts:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        found = ()
    issuer = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Facts(
        names=found,
        since=certificate.not_valid_before_utc.timestamp(),
        until=certificate.not_valid_after_utc.timestamp(),
        serial=certificate.serial_number,
        issuer=str(issuer[0].value) if issuer else certificate.issuer.rfc4514_string(),
        der=certificate.public_bytes(serialization.Encoding.DER),
    )


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or ", ".join(_facts(certificate).names) or "nobody"
