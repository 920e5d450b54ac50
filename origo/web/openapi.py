"""The OpenAPI 3.1 document, made from the table of routes."""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from origo import VERSION
from origo.api.route import Kind, Route

REFERENCE = "#/components/schemas/{model}"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "pattern": "^cannot "},
                "hint": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
OPERATION = {
    "type": "object",
    "required": ["id", "kind", "status", "progress", "error"],
    "properties": {
        "id": {"type": "integer"},
        "kind": {"type": "string"},
        "status": {"enum": ["queued", "running", "undoing", "done", "undone", "stuck"]},
        "progress": {"type": "number"},
        "error": {"anyOf": [ERROR["properties"]["error"], {"type": "null"}]},  # type: ignore[index]
    },
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "plan": {"name": "plan", "in": "query", "schema": {"type": "boolean"}, "description": "Show it, change nothing."},
    "wait": {
        "name": "wait",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0, "maximum": 30},
        "description": "Answer when the operation is over, or after so many seconds.",
    },
    "key": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        "description": "The same request with the same key gives the operation of the first time; another one 409.",
    },
    "event": {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Go on after this event.",
    },
}


def document(routes: Sequence[Route], prefix: str) -> bytes:
    """The whole document as JSON text."""
    schemas: dict[str, Any] = {"Error": ERROR, "Operation": OPERATION}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = _operation(route, schemas)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Origo", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-origo"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }
    return json.dumps(whole, indent=1).encode()


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    noun = route.path.split("/")[1]
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-z0-9]+', '_', route.path)}".rstrip("_"),
        "summary": route.summary,
        "tags": [noun],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        content = {"application/json": {"schema": _schema(route.body, schemas)}}
        found["requestBody"] = {"required": True, "content": content}
    if route.public:
        found["security"] = []
    return found


def _parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    found = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if route.query is not None:
        model = _inline(route.query, schemas)
        required = model.get("required", [])
        for name, schema in model.get("properties", {}).items():
            found.append({"name": name, "in": "query", "required": name in required, "schema": schema})
    if route.kind is Kind.CHANGE:
        found += [PARAMETERS["plan"], PARAMETERS["wait"], PARAMETERS["key"]]
    if route.kind is Kind.STREAM:
        found.append(PARAMETERS["event"])
    return found


def _responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REFERENCE.format(model="Error")}}}
    found: dict[str, Any] = {"default": {"description": "An error", "content": error}}
    if route.kind is Kind.STREAM:
        found["200"] = {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    elif route.kind is Kind.CHANGE:
        one = {"application/json": {"schema": {"$ref": REFERENCE.format(model="Operation")}}}
        found["202"] = {"description": "The operation, which goes on", "content": one}
        found["200"] = {"description": "The operation, which is over; or the plan", "content": {"application/json": {}}}
    elif route.kind is Kind.ACT and route.answer is None:
        found["200"] = {"description": "Done", "content": {"application/json": {}}}
        found["204"] = {"description": "Done"}
    else:
        schema = {} if route.answer is None else {"schema": _schema(route.answer, schemas)}
        found["200"] = {"description": "The answer", "content": {"application/json": schema}}
    return found


def _schema(model: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        schemas[model.__name__] = _inline(model, schemas)
        return {"$ref": REFERENCE.format(model=model.__name__)}
    return _collected(TypeAdapter(model).json_schema(ref_template=REFERENCE), schemas)


def _inline(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    return _collected(model.model_json_schema(ref_template=REFERENCE), schemas)


def _collected(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Move the models a schema refers to among the document's own."""
    schemas.update(schema.pop("$defs", {}))
    return schema
