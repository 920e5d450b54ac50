"""Routes of the engine's certificate."""

from typing import Annotated, Literal

from pydantic import Field

from origo.api.route import Kind, Model, Route
from origo.services.engine import certificates
from origo.services.naming import Written

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
Pem = Annotated[str, Field(max_length=200_000)]
Url = Annotated[str, Field(max_length=500), Written(r"https?://[!-~]+", "an address, such as https://example.org/dir")]


class SetCertificate(Model):
    """The chain, the engine's own certificate first, and its private key; both as PEM."""

    chain: Pem
    key: Pem


class Updates(Model):
    """A name server that takes updates of DNS (RFC 2136), and the key (TSIG) that it knows the engine by."""

    server: str = Field(min_length=1, max_length=253)
    port: int = Field(default=53, ge=1, le=65535)
    key_name: str = Field(min_length=1, max_length=253)
    algorithm: Literal["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: str = Field(min_length=1, max_length=500)


class External(Model):
    """An account that was made at an authority's own site: its id, and its key for ACME (EAB) in base64."""

    id: str = Field(min_length=1, max_length=200)
    key: str = Field(max_length=500, pattern=r"^[A-Za-z0-9_-]+=*$")


class OrderCertificate(Model):
    """Which ACME server is asked, and how the names are proven: by updates of DNS, by a program of root's (only from
    the engine's machine), or, where neither is given, over http; then pages are named one by one, without a star.

    `authority` vouches for the ACME server itself, where the machine does not trust it; `agreed` is to its terms.
    """

    directory: Url = LETS_ENCRYPT
    authority: Pem = ""
    email: str = Field(default="", max_length=254)
    agreed: bool = False
    external: External | None = None
    dns: Updates | None = None
    hook: str = Field(default="", max_length=500)


ROUTES = [
    Route("GET", "/engine/certificate", certificates.show, "Show the certificate of the engine's pages"),
    Route(
        "POST", "/engine/certificate", certificates.set_, "Show a certificate that is given", Kind.CHANGE,
        body=SetCertificate,
    ),
    Route(
        "POST", "/engine/certificate/order", certificates.order, "Order a certificate, now and before it ends",
        Kind.CHANGE, body=OrderCertificate,
    ),
    Route("POST", "/engine/certificate/renew", certificates.renew, "Order the certificate again", Kind.CHANGE),
    Route("DELETE", "/engine/certificate", certificates.remove, "Show a certificate of the engine's own", Kind.CHANGE),
]  # fmt: skip
