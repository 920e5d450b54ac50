"""The client of the API: over the engine's unix socket, or over https with a token."""

import contextlib
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from origo.config import home_from_environment
from origo.errors import BadInput, OrigoError, Unavailable, reason

PREFIX = "/api/v1"
ENDED = ("done", "undone", "stuck")
POLLS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Seconds between two looks at an operation: the first ones close together, so that short ones end at once."""
_START = "start it: `systemctl start origo` (the package) or `origo serve`; ORIGO_HOME or ORIGO_URL name another one"
_REASONS = (
    ("No such file", ("it does not run", _START)),
    ("refused", ("it does not run", _START)),
    ("Permission denied", ("only root may use it there", "use sudo, or a token with ORIGO_URL and ORIGO_TOKEN")),
    ("CERTIFICATE_VERIFY_FAILED", ("its certificate is not trusted", "name its authority's certificate by ORIGO_CA")),
    ("timed out", ("it does not answer", "try again; `origo doctor` on its machine tells what is wrong")),
)
TIMEOUT = httpx2.Timeout(60, connect=5)


class Client:
    """Talks to one engine. Raises the error that the engine answered, or Unavailable when nothing answers."""

    def __init__(self, http: httpx2.Client, where: str, name: str = "") -> None:
        """`name` is the host name that the engine's certificate must have."""
        self._http = http
        self.where = where
        self._extensions = {"sni_hostname": name} if name else {}

    def get(self, path: str, **query: Any) -> Any:
        """Read; values of the query that are None are left out."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Do something or make something; `plan=True` shows it, `wait=30` waits for its end."""
        return self.request("POST", path, body, query)

    def patch(self, path: str, body: Mapping[str, Any], **query: Any) -> Any:
        """Change what is there."""
        return self.request("PATCH", path, body, query)

    def put(self, path: str, body: Mapping[str, Any], **query: Any) -> Any:
        """Set what is there."""
        return self.request("PUT", path, body, query)

    def delete(self, path: str, **query: Any) -> Any:
        """Remove."""
        return self.request("DELETE", path, query=query)

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Everything in a list, page after page."""
        query.setdefault("limit", 500)
        while True:
            page = self.get(path, **query)
            yield from page["items"]
            if not page.get("next"):
                return
            query["cursor"] = page["next"]

    def follow(self, operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The operation as it goes on, the last time once it has ended or is stuck."""
        looks = 0
        while True:
            state = self.get(f"/operations/{operation['id']}")
            yield state
            if state["status"] in ENDED:
                return
            time.sleep(POLLS[min(looks, len(POLLS) - 1)])
            looks += 1

    def events(self, after: int = -1) -> Iterator[dict[str, Any]]:
        """Events after that id (below zero: from now on) as they happen, without end."""
        with self._reached(), contextlib.closing(self._answered("GET", "/events", {"after": after})) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> Any:
        """One request; returns what was answered, None for an empty answer."""
        with self._reached(), contextlib.closing(self._answered(method, path, query or {}, body)) as response:
            text = response.read()
        return json.loads(text) if text else None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
    ) -> httpx2.Response:
        params = {name: _text(value) for name, value in query.items() if value is not None and value is not False}
        try:
            request = self._http.build_request(
                method, PREFIX + path, params=params, json=body, extensions=self._extensions
            )
        except UnicodeEncodeError as error:
            raise BadInput("cannot send this request: something in it is no UTF-8 text") from error
        with self._reached():
            response = self._http.send(request, stream=True)
            if response.status_code >= 400:
                raise _error(response)
        return response

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            why, hint = _reason(error)
            raise Unavailable(f"cannot reach the engine at {self.where}: {why}", hint=hint) from error


def connect(environment: Mapping[str, str]) -> Client:
    """The engine that this environment names, as `origo.client.connect` has it."""
    url = environment.get("ORIGO_URL", "")
    if url:
        return _distant(url, environment.get("ORIGO_TOKEN", ""), environment.get("ORIGO_CA", ""))
    socket = str(home_from_environment() / "run" / "api.sock")
    transport = httpx2.HTTPTransport(uds=socket)
    return Client(httpx2.Client(base_url="http://origo", transport=transport, trust_env=False, timeout=TIMEOUT), socket)


def _distant(url: str, token: str, authority: str) -> Client:
    if not token.isascii() or not token.isprintable():
        raise BadInput("cannot use ORIGO_TOKEN: a token has only letters, digits, dashes and underscores")
    try:
        verify = ssl.create_default_context(cafile=authority) if authority else True
    except OSError as error:
        raise BadInput(f"cannot use ORIGO_CA: {authority} is no readable file with certificates") from error
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        there, name = _located(url)
        if token and there.startswith("http:") and not _is_here(urlsplit(there).hostname or ""):
            raise BadInput(f"cannot send a token to {url}: everybody on the way could read it", hint="write https://")
        http = httpx2.Client(base_url=there, headers=headers | name, verify=verify, timeout=TIMEOUT)
        return Client(http, url, urlsplit(url).hostname or "")
    except (ValueError, httpx2.InvalidURL) as error:
        raise BadInput(f"cannot use ORIGO_URL: {url} is no address", hint="write it like https://origo.test") from error


def _located(url: str) -> tuple[str, dict[str, str]]:
    """Names below localhost are this machine, as browsers have it; not every system's resolver knows that."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url, {}
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"127.0.0.1{port}").geturl(), {"Host": parts.netloc}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _error(response: httpx2.Response) -> OrigoError:
    try:
        found = json.loads(response.read())["error"]
        code, message, hint, details = (found[name] for name in ("code", "message", "hint", "details"))
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"cannot understand the answer: status {response.status_code} without an error in it")
    finally:
        response.close()
    kind = next((kind for kind in _kinds(OrigoError) if kind.code == code), OrigoError)
    return kind(message, hint=hint, details=details)


def _kinds(kind: type[OrigoError]) -> Iterator[type[OrigoError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def _reason(error: Exception) -> tuple[str, str]:
    """Why an engine is not reached, and what to do."""
    said = reason(error)
    return next((answer for words, answer in _REASONS if words in str(error)), (said[:1].lower() + said[1:], _START))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
