"""Routes of pools."""

from typing import Annotated

from pydantic import Field

from origo.api.route import Kind, Model, Page, Route
from origo.services import pools
from origo.services.naming import Name, Written

PoolPath = Annotated[
    str, Field(max_length=1000), Written(r"(/[^\s\x00-\x1f\x7f]+)?", "a path from / on, without spaces")
]


class PoolCreate(Model):
    """A pool at `path` (by default below the home); `options` are its driver's, such as a ZFS pool's devices."""

    name: Name
    driver: str = Field(default="storage_rsync", max_length=100)
    path: PoolPath = ""
    options: dict[str, str] = Field(default_factory=dict, max_length=20)


class PoolExport(Model):
    """The addresses of the machines that may mount the pool: these and no others."""

    to: list[Annotated[str, Field(max_length=45)]] = Field(min_length=1, max_length=1000)


ROUTES = [
    Route("GET", "/pools", pools.list_, "List pools", query=Page),
    Route("POST", "/pools", pools.create, "Make a pool", Kind.CHANGE, body=PoolCreate),
    Route("GET", "/pools/{id}", pools.show, "Show a pool with its room and health"),
    Route("POST", "/pools/{id}/export", pools.export, "Let machines mount a pool", Kind.CHANGE, body=PoolExport),
    Route("POST", "/pools/{id}/unexport", pools.unexport, "Let no machine mount a pool", Kind.CHANGE),
]
