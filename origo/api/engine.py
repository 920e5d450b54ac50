"""Routes of the engine, its nodes, plugins, issues and events."""

from pydantic import Field

from origo.api.route import Kind, Model, Page, Route
from origo.services import engine, events, issues, nodes, plugins


class EventPage(Model):
    """Which events: those after the id `after`."""

    after: int = Field(default=0, ge=-1)
    limit: int = Field(default=100, ge=1, le=500)


ROUTES = [
    Route("GET", "/engine", engine.show, "Show the engine"),
    Route("GET", "/engine/doctor", engine.doctor, "Check everything that can be checked"),
    Route("GET", "/nodes", nodes.list_, "List nodes", query=Page),
    Route("GET", "/nodes/{id}", nodes.show, "Show a node"),
    Route("GET", "/plugins", plugins.list_, "List plugins", query=Page),
    Route("GET", "/issues", issues.list_, "List what is wrong now", query=Page),
    Route("DELETE", "/issues/{id}", issues.dismiss, "Close an issue", Kind.ACT),
    Route("GET", "/events/list", events.list_, "List events", query=EventPage),
    Route("GET", "/events", events.follow, "Follow events", Kind.STREAM, query=EventPage),
]
