"""Files from elsewhere: fetched whole, checked, and never from the engine's own networks for who may not reach them."""

import hashlib
import ipaddress
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from origo import host
from origo.errors import BadInput, Cancelled, NoRoom, Unavailable, reason, size

REDIRECTS = 5
TIMEOUT = httpx2.Timeout(20, connect=10)
WINDOW_SECONDS, WINDOW_BYTES = 60.0, 256 << 10
"""What must at least arrive in which time."""
AS_IT_IS = {"Accept-Encoding": "identity", "Connection": "close"}
"""What is saved is what was sent, so nothing may be compressed on its way; no connection serves another name."""
ADDRESSES = 4
"""How many addresses of a name are tried."""


def download(url: str, path: str, *, sha256: str = "", room_bytes: int, private: bool = False) -> None:
    """Fetch `url` into the file `path`, replacing it; on disk when this returns.

    Only with `private` may the address be one that the internet does not reach. Progress and cancelling go through
    the current job. Raises BadInput for another kind of URL or a wrong digest, NoRoom for more than `room_bytes`,
    Unavailable, Cancelled; what was fetched so far may then be left at `path`.
    """
    # Behind a proxy it is the proxy that connects, and decides.
    checked = not private and not urllib.request.getproxies()
    try:
        with httpx2.Client(timeout=TIMEOUT, follow_redirects=False) as http:
            response = _open(http, url, checked)
            try:
                digest = _save(url, response, Path(path), room_bytes)
            finally:
                response.close()
    except httpx2.HTTPError as error:
        raise Unavailable(f"cannot download {url}: {reason(error)}") from error
    if sha256 and digest != sha256.lower():
        raise BadInput(
            f"cannot use {url}: its SHA-256 is {digest}, not {sha256.lower()}",
            hint="the file has changed or was damaged on its way",
        )


def _open(http: httpx2.Client, url: str, checked: bool) -> httpx2.Response:
    here = url
    for _ in range(REDIRECTS + 1):
        named = _named(here)
        response = _ask_public(http, named) if checked else _ask(http, named)
        if not response.has_redirect_location:
            if response.status_code != 200:
                response.close()
                raise Unavailable(f"cannot download {here}: the answer there is {response.status_code}")
            return response
        response.close()
        here = urljoin(here, response.headers["location"])
    raise Unavailable(f"cannot download {url}: it leads on and on to other addresses")


def _named(url: str) -> httpx2.URL:
    try:
        named = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        named = httpx2.URL("")
    if named.scheme not in ("http", "https") or not named.host:
        raise BadInput(f"cannot download {url}: it is no http or https address")
    return named


def _ask(http: httpx2.Client, url: httpx2.URL) -> httpx2.Response:
    return http.send(http.build_request("GET", url, headers=AS_IT_IS), stream=True)


def _ask_public(http: httpx2.Client, url: httpx2.URL) -> httpx2.Response:
    """Ask an address that was looked at, by its number: the name may be given another one at any moment."""
    name = url.raw_host.decode()
    addresses = _addresses(name)
    _refuse_private(str(url), addresses)
    headers = AS_IT_IS | {"Host": url.netloc.decode()}
    failure: httpx2.HTTPError | None = None
    for address in addresses[:ADDRESSES]:
        numbered = url.copy_with(host=address)
        request = http.build_request("GET", numbered, headers=headers, extensions={"sni_hostname": name})
        try:
            return http.send(request, stream=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            failure = error
    raise failure or Unavailable(f"cannot find {name}")


def _save(url: str, response: httpx2.Response, path: Path, room_bytes: int) -> str:
    total = int(response.headers.get("content-length", 0))
    digest = hashlib.sha256()
    got = 0
    work = host.current_job()
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in _pieces(url, response):
            got += len(chunk)
            if max(got, total) > room_bytes:
                raise NoRoom(f"cannot download {url}: there is room for {size(room_bytes)} only")
            if work.cancelled():
                raise Cancelled(f"cannot finish the download of {url}: it was cancelled")
            digest.update(chunk)
            file.write(chunk)
            work.report(got / total if total else 0.0, f"{got >> 20} MB")
        file.flush()
        os.fsync(file.fileno())
    if total and got != total:
        raise Unavailable(f"cannot download {url}: it ended after {got} of {total} bytes")
    return digest.hexdigest()


def _pieces(url: str, response: httpx2.Response) -> Iterator[bytes]:
    """What arrives, as it arrives. Raises Unavailable for a server that keeps its caller waiting on purpose."""
    since, got = time.monotonic(), 0
    for piece in response.iter_raw():
        yield piece
        got += len(piece)
        if (now := time.monotonic()) - since >= WINDOW_SECONDS:
            if got < WINDOW_BYTES:
                raise Unavailable(f"cannot download {url}: it comes too slowly, {size(got)} in {now - since:.0f} s")
            since, got = now, 0


def _addresses(name: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise Unavailable(f"cannot find {name}: {error.strerror or error}") from error


def _refuse_private(url: str, addresses: list[str]) -> None:
    for address in addresses:
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise BadInput(
                f"cannot download {url}: it is in a private network",
                hint="root can, with the command on the engine's machine",
            )
