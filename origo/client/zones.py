"""Records of a DNS zone, changed by updates (RFC 2136) that are signed with a shared key (TSIG)."""

import contextlib
import socket
import time
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update

from origo import host
from origo.errors import BadInput, Cancelled, Conflict, Unavailable, reason

PORT = 53
ASK_SECONDS = 10.0
SPREAD_SECONDS = 120.0
"""How long the zone's other name servers may take to have a record."""
LOOK_SECONDS = 2.0
TTL = 60
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")


@dataclass(frozen=True)
class Zone:
    """A name server that takes updates, and the key that it knows us by; `secret` is in base64."""

    server: str
    port: int
    key_name: str
    algorithm: str
    secret: str

    def add(self, name: str, text: str) -> None:
        """Let a TXT record be there; others of the name stay. Returns once all name servers of the zone have it."""
        zone = self._zone(name)
        self._update(name, zone, lambda update: update.add(dns.name.from_text(name), TTL, "TXT", f'"{text}"'))
        self._await(name, zone, text)

    def remove(self, name: str, text: str) -> None:
        """Let that TXT record be gone."""
        zone = self._zone(name)
        self._update(name, zone, lambda update: update.delete(dns.name.from_text(name), "TXT", f'"{text}"'))

    def _zone(self, name: str) -> dns.name.Name:
        answer = self._ask(name, dns.message.make_query(name, "SOA"))
        for found in (*answer.answer, *answer.authority):
            if found.rdtype == dns.rdatatype.SOA and answer.flags & dns.flags.AA:
                return found.name
        raise Conflict(
            f"cannot change {name}: the name server {self.server} has no zone with it",
            hint="name the server that the zone is changed on, the primary one",
        )

    def _update(self, name: str, zone: dns.name.Name, change: Any) -> None:
        update = dns.update.UpdateMessage(zone)
        change(update)
        answer = self._ask(name, update)
        if answer.rcode() != dns.rcode.NOERROR:
            raise Conflict(
                f"cannot change {name}: the name server {self.server} says {dns.rcode.to_text(answer.rcode())}",
                hint=f"it must let the key {self.key_name} update TXT records of that name",
            )

    def _ask(self, name: str, message: dns.message.Message) -> dns.message.Message:
        try:
            keys = dns.tsigkeyring.from_text({self.key_name: (self.algorithm, self.secret)})
            message.use_tsig(keys)
        except (ValueError, dns.exception.DNSException) as error:
            raise BadInput(f"cannot use the key {self.key_name}: its secret is no base64") from error
        try:
            return dns.query.tcp(message, _address(self.server), timeout=ASK_SECONDS, port=self.port)
        except dns.tsig.PeerError as error:
            raise Conflict(
                f"cannot change {name}: the name server {self.server} does not take the key {self.key_name}: {error}",
                hint="name, algorithm and secret must be those that the server has; the clocks of both must agree",
            ) from error
        except (OSError, EOFError, dns.exception.DNSException) as error:
            said = f"the name server {self.server} does not answer on port {self.port}: {reason(error)}"
            raise Unavailable(f"cannot change {name}: {said}") from error

    def _await(self, name: str, zone: dns.name.Name, text: str) -> None:
        """Others take it over from the one that was told; one that cannot be asked from here is not waited for."""
        listed = self._ask(name, dns.message.make_query(zone, "NS"))
        servers = [str(one.target) for found in listed.answer for one in found if found.rdtype == dns.rdatatype.NS]
        end = time.monotonic() + SPREAD_SECONDS
        for server in servers:
            while _lacks(server, name, text) and time.monotonic() < end:
                if host.current_job().cancelled():
                    raise Cancelled(f"cannot change {name}: it was cancelled")
                time.sleep(LOOK_SECONDS)


def _lacks(server: str, name: str, text: str) -> bool:
    """Whether that name server answers, without the record."""
    with contextlib.suppress(OSError, Unavailable, dns.exception.DNSException):
        query = dns.message.make_query(name, "TXT")
        answer, _ = dns.query.udp_with_fallback(query, _address(server), timeout=ASK_SECONDS / 2)
        return not any(
            text.encode() in b"".join(one.strings)
            for found in answer.answer
            if found.rdtype == dns.rdatatype.TXT
            for one in found
        )
    return False


def _address(server: str) -> str:
    try:
        return str(socket.getaddrinfo(server.rstrip("."), PORT, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise Unavailable(f"cannot find the name server {server}: {reason(error)}") from error
