"""Certificates from an ACME server (RFC 8555): what it is asked, what it asks back, and its words when it refuses."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import josepy.errors
import requests
from acme import client, errors, messages
from josepy.jwa import ES256
from josepy.jwk import JWK

from origo import VERSION, host
from origo.errors import BadInput, Cancelled, Conflict, OrigoError, Unavailable, reason

TRUST = "/etc/ssl/certs/ca-certificates.crt"
"""Whom the machine trusts."""
REQUEST_SECONDS = 30
PROOF_SECONDS = 300.0
"""How long the server may take to look at what proves the names."""
ISSUE_SECONDS = 180.0
LOOK_SECONDS = 1.0
HINTS = {
    "rateLimited": "wait: the limit ends by itself; a server for trials has wider ones",
    "dns": "its name servers must say, to the whole world, where the name is",
    "connection": "the name must lead to this machine, and port 80 here must be reached from the ACME server",
    "unauthorized": "what the ACME server was shown is not what it asked for: does the name lead elsewhere?",
    "incorrectResponse": "what the ACME server was shown is not what it asked for: does the name lead elsewhere?",
    "caa": "the CAA record of the domain does not allow this authority",
    "rejectedIdentifier": "that authority gives no certificates for this name",
    "externalAccountRequired": "it takes only accounts of its own site: give --account-id and --account-key",
}


@dataclass(frozen=True)
class Challenge:
    """What proves one name: `text` found at `place`, which is a file of the web or the name of a TXT record."""

    name: str
    place: str
    text: str


class Directory:
    """An ACME server, for one account; the certificates in the file `trust` vouch for the server."""

    def __init__(self, url: str, account: bytes, trust: str) -> None:
        self.key = JWK.load(account)
        self._net = client.ClientNetwork(
            self.key,
            alg=ES256,
            verify_ssl=trust,  # type: ignore[arg-type]  # what requests takes: a flag or a file
            user_agent=f"origo/{VERSION}",
            timeout=REQUEST_SECONDS,
        )
        with _words(f"ask {url} for a certificate"):
            self.acme = client.ClientV2(client.ClientV2.get_directory(url, self._net), self._net)
        self._url = url

    @property
    def terms(self) -> str:
        """Where the server's terms of service are; empty if it has none."""
        return str(getattr(self.acme.directory.meta, "terms_of_service", None) or "")

    def register(self, email: str, *, agreed: bool, external: tuple[str, str] | None) -> None:
        """Be known to the server; nothing changes for an account that is. Raises BadInput if its terms were not
        agreed to. `external` is the id and the key of an account that was made at the authority's own site."""
        if self.terms and not agreed:
            raise BadInput(
                f"cannot order a certificate from {self._url}: its terms were not agreed to",
                hint=f"read {self.terms}, then say so with --agree-terms",
            )
        with _words(f"register with {self._url}"):
            account = messages.NewRegistration.from_data(
                email=email or None, terms_of_service_agreed=agreed, external_account_binding=self._binding(external)
            )
            self._net.account = None
            try:
                self.acme.new_account(account)
            except errors.ConflictError as known:
                self._net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())

    def _binding(self, external: tuple[str, str] | None) -> dict[str, Any] | None:
        if external is None:
            return None
        return messages.ExternalAccountBinding.from_data(self.key.public_key(), *external, self.acme.directory)

    def order(self, request: bytes) -> "Order":
        """Order what the request (PEM) says."""
        with _words("order the certificate"):
            return Order(self, self.acme.new_order(request))


class Order:
    """One certificate that was asked for."""

    def __init__(self, directory: Directory, order: messages.OrderResource) -> None:
        self._directory, self._order = directory, order
        self._asked: list[tuple[Any, Any]] = []

    def challenges(self, kind: str) -> list[Challenge]:
        """What is to be shown before `prove`, for each name not proven yet; `kind` is dns-01 or http-01."""
        found = []
        for authorization in self._order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            name = authorization.body.identifier.value
            body = next((one for one in authorization.body.challenges if one.chall.typ == kind), None)
            if body is None:
                raise Conflict(
                    f"cannot prove {name} by {kind}: the ACME server does not take that",
                    hint="names with a star are proven by DNS alone",
                )
            self._asked.append((authorization, body))
            found.append(Challenge(name, self._place(body, name), body.chall.validation(self._directory.key)))
        return found

    def prove(self) -> None:
        """Let the server look at what is shown. Raises Conflict with its words when it does not accept one."""
        with _words("prove the names"):
            for _, body in self._asked:
                self._directory.acme.answer_challenge(body, body.response(self._directory.key))
            for number, (authorization, _) in enumerate(self._asked):
                host.report(0.5 + number / len(self._asked) / 2, authorization.body.identifier.value)
                self._await(authorization)

    def certificate(self) -> bytes:
        """The chain, as PEM."""
        end = time.monotonic() + ISSUE_SECONDS
        with _words("order the certificate"):
            with contextlib.suppress(_NotReady):
                self._begin()
            while True:
                try:
                    soon = datetime.now() + timedelta(seconds=3 * LOOK_SECONDS)
                    done = self._directory.acme.poll_finalization(self._order, soon)
                    return str(done.fullchain_pem).encode()
                except errors.TimeoutError:
                    _go_on(end, "order the certificate")

    def _begin(self) -> None:
        try:
            self._directory.acme.begin_finalization(self._order)
        except messages.Error as error:
            raise (_NotReady() if error.code == "orderNotReady" else error) from error

    def _place(self, body: Any, name: str) -> str:
        chall = body.chall
        return str(chall.validation_domain_name(name) if chall.typ == "dns-01" else chall.encode("token"))

    def _await(self, authorization: messages.AuthorizationResource) -> None:
        end = time.monotonic() + PROOF_SECONDS
        while True:
            found, _ = self._directory.acme.poll(authorization)
            if found.body.status == messages.STATUS_VALID:
                return
            if found.body.status not in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
                raise errors.ValidationError([found])
            _go_on(end, f"prove {found.body.identifier.value}")
            time.sleep(LOOK_SECONDS)


class _NotReady(Exception):
    """The server has not noticed yet that all is proven."""


def _go_on(end: float, what: str) -> None:
    if host.current_job().cancelled():
        raise Cancelled(f"cannot {what}: it was cancelled")
    if time.monotonic() > end:
        raise Unavailable(f"cannot {what}: the ACME server has not decided in time")


@contextlib.contextmanager
def _words(what: str) -> Iterator[None]:
    """Turn what the library raises into a sentence with the server's own words."""
    try:
        yield
    except errors.ValidationError as error:
        refused = error.failed_authzrs[0].body
        said = [one.error for one in refused.challenges if one.error is not None]
        raise _refusal(f"prove {refused.identifier.value}", said) from error
    except errors.IssuanceError as error:
        raise _refusal(what, [error.error]) from error
    except messages.Error as error:
        raise _refusal(what, [error]) from error
    except requests.RequestException as error:
        hint = "is the address right, and reached from here? A private server may need --directory-authority"
        raise Unavailable(f"cannot {what}: {_cause(error)}", hint=hint) from error
    except (errors.Error, josepy.errors.Error, ValueError, KeyError, AttributeError) as error:
        raise Unavailable(f"cannot {what}: what answers there is no ACME server ({reason(error)})") from error


def _refusal(what: str, said: Sequence[Any]) -> OrigoError:
    error = said[0] if said else None
    words = [str(error.detail or error.title or error.code)] if error else ["no reason"]
    words += [f"{one.identifier.value}: {one.detail}" for one in (error and error.subproblems) or ()]
    hint = HINTS.get(str(error.code), "") if error else ""
    return Conflict(f"cannot {what}: the ACME server says: {'; '.join(words)}"[:1000], hint=hint)


def _cause(error: BaseException) -> str:
    """The innermost words: requests wraps the system's in several of its own."""
    inner = error.__cause__ or error.__context__
    return _cause(inner) if inner is not None and str(inner) else reason(Exception(str(error)))
