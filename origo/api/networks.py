"""Routes of networks."""

from origo.api.route import Kind, Model, Page, Route
from origo.services import networks
from origo.services.naming import Name


class NetworkCreate(Model):
    """A network of one's own; with `nat` its servers reach the world outside (null: as the setting guests_nat says)."""

    name: Name
    nat: bool | None = None


ROUTES = [
    Route("GET", "/networks", networks.list_, "List networks", query=Page),
    Route("POST", "/networks", networks.create, "Add a network", Kind.CHANGE, body=NetworkCreate),
    Route("GET", "/networks/{id}", networks.show, "Show a network with its connections"),
    Route("DELETE", "/networks/{id}", networks.delete, "Remove a network without connections", Kind.CHANGE),
]
