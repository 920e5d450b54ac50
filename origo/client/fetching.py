"""Files from elsewhere: fetched whole, checked, and never from the engine's own networks for who may not reach them."""

import hashlib
import ipaddress
import os
import socket
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from origo import host
from origo.errors import BadInput, Cancelled, NoRoom, Unavailable, reason, size

REDIRECTS = 5
TIMEOUT = httpx2.Timeout(60, connect=10)
CHUNK = 1 << 20
AS_IT_IS = {"Accept-Encoding": "identity"}
"""What is saved is what was sent, so nothing may be compressed on its way."""


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
        parts = urlsplit(here)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"cannot download {here}: it is no http or https address")
        if checked:
            _refuse_private(here, _addresses(parts.hostname))
        response = http.send(http.build_request("GET", here, headers=AS_IT_IS), stream=True)
        if checked:
            # Once more, since the name may have been given another address meanwhile.
            _refuse_private(here, [_peer(response)])
        if not response.is_redirect:
            if response.status_code != 200:
                response.close()
                raise Unavailable(f"cannot download {here}: the answer there is {response.status_code}")
            return response
        response.close()
        here = urljoin(here, response.headers["location"])
    raise Unavailable(f"cannot download {url}: it leads on and on to other addresses")


def _save(url: str, response: httpx2.Response, path: Path, room_bytes: int) -> str:
    total = int(response.headers.get("content-length", 0))
    digest = hashlib.sha256()
    got = 0
    work = host.current_job()
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in response.iter_raw(CHUNK):
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


def _addresses(name: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise Unavailable(f"cannot find {name}: {error.strerror or error}") from error


def _peer(response: httpx2.Response) -> str:
    stream: Any = response.extensions["network_stream"]
    return str(stream.get_extra_info("server_addr")[0])


def _refuse_private(url: str, addresses: list[str]) -> None:
    for address in addresses:
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise BadInput(
                f"cannot download {url}: it is in a private network",
                hint="root can, with the command on the engine's machine",
            )
