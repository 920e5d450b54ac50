"""The page of the API: every route of the table, with what it takes."""

from typing import Any

from pydantic import BaseModel

from origo import api
from origo.api.route import Kind, Page, Route

ANSWERS = {
    Kind.READ: "200",
    Kind.CHANGE: "202 with the operation; 200 with `?wait=` once it is over, or with the plan for `?plan=true`",
    Kind.ACT: "200, or 204 without an answer",
    Kind.STREAM: "200 with server-sent events",
}

HEAD = """# API

Made from the table of routes in `origo/api`; the same is served as OpenAPI 3.1 at `/api/v1/openapi.json`. All paths
are below `/api/v1`. Errors have one shape: `{"error": {"code", "message", "hint", "details"}}` ([errors](errors.md)).
Changes take an `Idempotency-Key` header: the same request with the same key again is answered with the operation of
the first time, another request with 409. Lists take `limit`, `cursor` and `q`, and answer
`{"items": [...], "next": cursor}`.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_noun(noun, routes) for noun, routes in _by_noun().items())


def _by_noun() -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in api.ALL:
        found.setdefault(route.path.split("/")[1], []).append(route)
    return dict(sorted(found.items()))


def _noun(noun: str, routes: list[Route]) -> str:
    return f"\n## {noun}\n" + "".join(_route(route) for route in routes)


def _route(route: Route) -> str:
    lines = [f"\n### {route.method} {route.path}", f"{route.summary}. Answers {ANSWERS[route.kind]}."]
    if route.public:
        lines.append("Needs no session and no token.")
    if route.query is not None and set(route.query.model_fields) - set(Page.model_fields):
        lines += ["", "Query:", *_fields(route.query, set(Page.model_fields))]
    if route.body is not None:
        lines += ["", "Body:", *_fields(route.body, set())]
    return "\n".join(lines) + "\n"


def _fields(model: type[BaseModel], known: set[str]) -> list[str]:
    schema = model.model_json_schema()
    found = []
    for name, field in model.model_fields.items():
        if name not in known:
            needed = "required" if field.is_required() else f"default `{_default(field)}`"
            found.append(f"* `{name}` ({_type(schema['properties'][name], schema)}, {needed})")
    return found


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory else field.default


def _type(schema: dict[str, Any], root: dict[str, Any]) -> str:
    if "$ref" in schema:
        inner = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return "object with " + ", ".join(inner["properties"]) if "properties" in inner else _type(inner, root)
    if "anyOf" in schema:
        return " or ".join(_type(one, root) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), root)}"
    return str(schema.get("type", "any"))
