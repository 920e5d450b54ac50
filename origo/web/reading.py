"""What came from the client, checked once: body, query and headers become models, or a sentence says what is wrong."""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from origo.errors import BadInput, TooLarge
from origo.operations.base import Key

BODY_LIMIT = 1 << 20
WAIT_LIMIT = 30
PROBLEMS_SHOWN = 20
MASS_BYTES, MOST_FIELDS = 8192, 100
KEY = re.compile(r"[\x21-\x7e]{1,200}")
SHOULD = re.compile("^(Input|String|List|Dictionary) should ")
"""How the models' own messages begin: about types, where people want to read about what they wrote."""
SWITCHES = {"true": True, "1": True, "false": False, "0": False}


def body(environ: Mapping[str, Any], model: type[BaseModel] | None) -> BaseModel | None:
    """The request's body as an instance of the model. Raises BadInput naming each wrong field, or TooLarge."""
    data = _read(environ)
    if model is None:
        if data:
            raise BadInput("cannot use a body with this request", hint="send it without one")
        return None
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadInput("cannot read the body: its Content-Type is not application/json")
    _refuse_masses(data)
    try:
        return model.model_validate_json(data)
    except ValidationError as invalid:
        raise bad(model, invalid, "the body") from None


def query(environ: Mapping[str, Any], *, changes: bool) -> tuple[dict[str, str], bool, int]:
    """The query's own parameters, and `plan` and `wait`, which only a change has. Raises BadInput."""
    try:
        pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise BadInput("cannot read the query of this address") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadInput(f"cannot use {_quoted(name)} twice in the query")
        found[name] = value
    if not changes:
        return found, False, 0
    return found, _switch("plan", found.pop("plan", "false")), _seconds(found.pop("wait", "0"))


def parameters(found: Mapping[str, str], model: type[BaseModel] | None) -> BaseModel | None:
    """The query's parameters as an instance of the model. Raises BadInput naming each wrong one."""
    if model is None:
        if found:
            raise BadInput(f"cannot use {_quoted(next(iter(found)))} in the query: it is not known here")
        return None
    try:
        return model.model_validate_strings(dict(found))
    except ValidationError as invalid:
        raise bad(model, invalid, "the query") from None


def key(environ: Mapping[str, Any], body: BaseModel | None, digest: Callable[[bytes], str]) -> Key | None:
    """The Idempotency-Key, if there is one, with the digest of what is asked for. Raises BadInput."""
    value = environ.get("HTTP_IDEMPOTENCY_KEY")
    if value is None:
        return None
    if not KEY.fullmatch(value):
        raise BadInput("cannot use this Idempotency-Key", hint="send 1 to 200 letters, digits or signs without spaces")
    sent = body.model_dump(mode="json", exclude_unset=True) if body is not None else None
    request = json.dumps([environ["REQUEST_METHOD"], environ["PATH_INFO"], sent], sort_keys=True)
    return Key(value, digest(request.encode()))


def _read(environ: Mapping[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not length.isdecimal():
            raise BadInput("cannot read the body: its Content-Length is not a number")
        if int(length) > BODY_LIMIT:
            raise _too_large()
        data: bytes = environ["wsgi.input"].read(int(length))
    elif "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        try:
            data = environ["wsgi.input"].read(BODY_LIMIT + 1)
        except OSError:  # the server itself counts the chunks
            raise _too_large() from None
        except ValueError:
            raise BadInput("cannot read the body: its chunks are malformed") from None
    else:
        data = b""
    if len(data) > BODY_LIMIT:
        raise _too_large()
    return data


def _refuse_masses(data: bytes) -> None:
    """A long body with thousands of unknown fields would make as many problems, and nobody reads more than a few."""
    if len(data) > MASS_BYTES:
        try:
            found = from_json(data)
        except ValueError:
            return
        if isinstance(found, dict) and len(found) > MOST_FIELDS:
            raise BadInput(f"cannot use the body: it has {len(found)} fields")


def _too_large() -> TooLarge:
    return TooLarge(f"cannot take a body of more than {BODY_LIMIT >> 20} MB")


def bad(model: type[BaseModel], invalid: ValidationError, where: str) -> BadInput:
    """What is wrong with what was sent, as a sentence about its first problem and details about all."""
    # What was sent is never repeated: it may be a password.
    found = invalid.errors(include_url=False, include_context=False, include_input=False)
    problems = [_problem(one, where) for one in found[:PROBLEMS_SHOWN]]
    field, sentence = problems[0]["field"], problems[0]["message"]
    near = difflib.get_close_matches(field, model.model_fields, n=1)
    hint = f"did you mean {near[0]}?" if found[0]["type"] == "extra_forbidden" and near else ""
    details = {"problems": problems, "more": max(0, len(found) - PROBLEMS_SHOWN)}
    return BadInput(f"cannot use {field or where}: {sentence}", hint=hint, details=details)


def _problem(found: Any, where: str) -> dict[str, str]:
    field = _printable(".".join(str(part) for part in found["loc"]))[:100]
    if found["type"] == "extra_forbidden":
        return {"field": field, "message": f"there is no such field in {where}"}
    message = SHOULD.sub("it must ", found["msg"].removeprefix("Value error, ")).replace(" after validation", "")
    message = "it is required" if found["type"] == "missing" else message[:1].lower() + message[1:]
    return {"field": field, "message": message}


def _switch(name: str, value: str) -> bool:
    if value not in SWITCHES:
        raise BadInput(f"cannot use {name} in the query: it must be true or false")
    return SWITCHES[value]


def _seconds(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or int(value) > WAIT_LIMIT:
        raise BadInput(f"cannot use wait in the query: it must be a number of seconds from 0 to {WAIT_LIMIT}")
    return int(value)


def _quoted(name: str) -> str:
    return _printable(name)[:50] or "a parameter without a name"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
