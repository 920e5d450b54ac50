"""Routes of the catalog."""

from pydantic import Field

from origo.api.route import Kind, Model, Page, Route
from origo.services import catalog


class Build(Model):
    """The folder of a recipe on the engine's machine; `fresh` takes today's packages instead of kept ones."""

    folder: str = Field(min_length=1, max_length=4096, pattern=r"^/")
    fresh: bool = False


ROUTES = [
    Route("GET", "/catalog", catalog.list_, "List what can be installed", query=Page),
    Route("POST", "/catalog", catalog.create, "Build a stack from its recipe", Kind.CHANGE, body=Build),
    Route("GET", "/catalog/{id}", catalog.show, "Show an entry with its descriptor"),
    Route("DELETE", "/catalog/{id}", catalog.delete, "Take a stack out of the catalog", Kind.CHANGE),
]
