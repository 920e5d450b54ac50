"""Routes of stacks."""

from pydantic import Field

from origo.api.models import Key, TrashPage
from origo.api.route import Kind, Model, Route
from origo.services import stacks
from origo.services.naming import Name


class Install(Model):
    """The entry of the catalog (an id, a name or name@version), a name, and the answers to its questions."""

    stack: Key
    name: Name | None = None
    answers: dict[str, str | int | bool] = Field(default_factory=dict, max_length=50)


CHANGE = Kind.CHANGE

ROUTES = [
    Route("GET", "/stacks", stacks.list_, "List stacks", query=TrashPage),
    Route("POST", "/stacks", stacks.install, "Install a stack", CHANGE, body=Install),
    Route("GET", "/stacks/{id}", stacks.show, "Show a stack with its servers"),
    Route("POST", "/stacks/{id}/start", stacks.start, "Start a stack", CHANGE),
    Route("POST", "/stacks/{id}/stop", stacks.stop, "Shut a stack down", CHANGE),
    Route("DELETE", "/stacks/{id}", stacks.delete, "Move a stack into the trash", CHANGE),
    Route("POST", "/stacks/{id}/undelete", stacks.undelete, "Take a stack out of the trash", CHANGE),
    Route("POST", "/stacks/{id}/purge", stacks.purge, "Remove a stack in the trash for good", CHANGE),
]
