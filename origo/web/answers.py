"""What goes back to the client: JSON, the one shape of errors, and the headers that every answer carries."""

from typing import Any

import pydantic_core
from bottle import HTTPResponse

from origo import log
from origo.errors import Internal, OrigoError

_log = log.get("web")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    """Plain data or models as JSON; None is an empty answer."""
    if value is None:
        return HTTPResponse(status=204, headers=_headers(headers))
    return raw_json(pydantic_core.to_json(value), status, headers)


def raw_json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> HTTPResponse:
    """JSON that is text already."""
    return HTTPResponse(body, status, _headers(headers) | {"Content-Type": "application/json"})


def error(problem: OrigoError) -> HTTPResponse:
    """The one shape of errors."""
    headers = {}
    if "retry_after" in problem.details:
        headers["Retry-After"] = str(problem.details["retry_after"])
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="origo"'
    return json({"error": problem.as_dict()}, problem.status, headers)


def unexpected(method: str, path: str) -> Internal:
    """What a person sees of an exception that nobody expected; its traceback goes to the log, under the same number."""
    return log.unexpected(_log, "cannot finish the request because of an error in the engine", method=method, path=path)


def _headers(more: dict[str, str] | None) -> dict[str, str]:
    return SECURITY | {"Content-Security-Policy": API_POLICY} | (more or {})
