"""What a route is: data that the web application, its checks and the OpenAPI document are made from."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """What requests and answers are made of: unknown fields and coerced types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Kind(Enum):
    """How a verb's answer becomes an HTTP answer."""

    READ = "read"
    """200 with the verb's answer as JSON."""
    CHANGE = "change"
    """The verb returns an operation (202; 200 once done, with `?wait=`) or, with `?plan=true`, a plan (200)."""
    ACT = "act"
    """Done at once: 200 with the verb's answer, 204 where it returns None."""
    STREAM = "stream"
    """The verb returns an iterator of server-sent events: dictionaries with `id` and `kind`, or None about once a
    second while nothing happens, so that the stream can end. Its query has `after`, which Last-Event-ID sets too."""


class Page(Model):
    """The query of every list."""

    limit: int = Field(default=50, ge=1, le=500)
    cursor: str = Field(default="", max_length=200)
    q: str = Field(default="", max_length=100)


@dataclass(frozen=True)
class Route:
    """One method and path. The verb is called as `verb(core, actor, **path parameters, body=…, query=…)`, where body
    and query are instances of the models named here, and are left out where None is named."""

    method: str
    path: str
    """With parameters in braces, such as /servers/{id}; below /api/v1."""
    verb: Callable[..., Any]
    summary: str
    kind: Kind = Kind.READ
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: Any = None
    """The type of the answer, for the OpenAPI document: a model, or list[model]."""
    public: bool = False
    """Reachable without a session or token (the verb then gets NOBODY)."""
