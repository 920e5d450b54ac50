"""Routes of the catalog."""

from typing import Annotated

from pydantic import Field

from origo.api.route import Kind, Model, Page, Route
from origo.services import catalog
from origo.services.naming import Written


class Build(Model):
    """The folder of a recipe on the engine's machine; `fresh` takes today's packages instead of kept ones."""

    folder: Annotated[str, Field(max_length=4096), Written(r"/[^\x00-\x1f\x7f]*", "a path from / on")]
    fresh: bool = False


ROUTES = [
    Route("GET", "/catalog", catalog.list_, "List what can be installed", query=Page),
    Route("POST", "/catalog", catalog.create, "Build a stack from its recipe", Kind.CHANGE, body=Build),
    Route("GET", "/catalog/{id}", catalog.show, "Show an entry with its descriptor"),
    Route("DELETE", "/catalog/{id}", catalog.delete, "Take a stack out of the catalog", Kind.CHANGE),
]
