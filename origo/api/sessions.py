"""Routes of sessions."""

from origo.api.route import Kind, Page, Route
from origo.services import sessions

ROUTES = [
    Route("GET", "/users/{id}/sessions", sessions.list_, "List a user's sessions", query=Page),
    Route("DELETE", "/users/{id}/sessions/{session}", sessions.end, "End a session", Kind.ACT),
]
