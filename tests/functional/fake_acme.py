"""An ACME server that needs no network: it looks for what proves a name where the front would show it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from origo import model
from origo.client.ordering import Challenge
from origo.errors import Conflict
from origo.testing import killing


class FakeDirectory:
    """Stands in for `ordering.Directory`; its world is the folder of the engine's database."""

    def __init__(self, url: str, account: bytes, authority: bytes) -> None:
        self.refuses = "refuse" in url

    def register(self, email: str, *, agreed: bool, external: tuple[str, str] | None) -> None:
        killing.point("registered")

    def order(self, request: bytes) -> "FakeOrder":
        killing.point("ordered")
        return FakeOrder(x509.load_pem_x509_csr(request), self.refuses)


class FakeOrder:
    """Its names, and whether nothing convinces."""

    def __init__(self, request: x509.CertificateSigningRequest, refuses: bool) -> None:
        self.request, self.refuses = request, refuses
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.names = names.get_values_for_type(x509.DNSName)

    def challenges(self, kind: str) -> list[Challenge]:
        assert kind == "http-01"
        return [Challenge(name, f"token{number}", f"text of {name}") for number, name in enumerate(self.names)]

    def prove(self) -> None:
        killing.point("proving")
        folder = Path(model.database.obj.database).parent / "run" / "challenges"
        for one in self.challenges("http-01"):
            path = folder / one.place
            if self.refuses or not path.exists() or path.read_text() != one.text:
                raise Conflict(f"cannot prove {one.name}: the ACME server says: it is not there")

    def certificate(self) -> bytes:
        killing.point("issued")
        return certificate(self.names, self.request.public_key())


def certificate(names: list[str], key: object, *, since: float = -1, until: float = 90, ca: bool = False) -> bytes:
    """A certificate of somebody for these names, valid between so many days from now."""
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Somebody")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=x509.Name([]),
        public_key=key,  # type: ignore[arg-type]
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=since),
        not_valid_after=now + timedelta(days=until),
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def pair(names: list[str], **more: float) -> tuple[bytes, bytes]:
    """Such a certificate, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate(names, key.public_key(), **more), pem  # type: ignore[arg-type]
