"""The HTTP API as data: one file of routes for each noun, gathered here."""

from origo.api import (
    catalog,
    certificates,
    engine,
    images,
    networks,
    operations,
    pools,
    servers,
    sessions,
    stacks,
    users,
)
from origo.api.route import Route

ALL: tuple[Route, ...] = (
    *engine.ROUTES,
    *certificates.ROUTES,
    *users.ROUTES,
    *sessions.ROUTES,
    *pools.ROUTES,
    *networks.ROUTES,
    *images.ROUTES,
    *servers.ROUTES,
    *catalog.ROUTES,
    *stacks.ROUTES,
    *operations.ROUTES,
)
"""Every route there is."""
