"""Routes of operations."""

from origo.api.route import Kind, Page, Route
from origo.services import operations


class OperationPage(Page):
    """The query of the list; with `active` only those that are not over."""

    active: bool = False


ROUTES = [
    Route("GET", "/operations", operations.list_, "List operations", query=OperationPage),
    Route("GET", "/operations/{id}", operations.show, "Show an operation with its steps and log"),
    Route("POST", "/operations/{id}/cancel", operations.cancel, "Undo what an operation has done so far", Kind.ACT),
    Route("POST", "/operations/{id}/retry", operations.retry, "Let a stuck operation go on", Kind.ACT),
    Route("POST", "/operations/{id}/forget", operations.forget, "End a stuck operation as it is", Kind.ACT),
]
