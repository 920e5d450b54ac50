"""Routes of images."""

from typing import Annotated

from pydantic import Field

from origo.api.models import DiskBytes, Key, TrashPage
from origo.api.route import Kind, Model, Route
from origo.services import images
from origo.services.naming import Name, Written


class ImageCreate(Model):
    """An empty disk."""

    name: Name
    size_bytes: DiskBytes
    pool: Key = "0"


class ImageImport(Model):
    """A disk or medium from a file in the import folder, or from a URL with, if known, its SHA-256."""

    name: Name
    file: str = Field(default="", max_length=1000)
    url: Annotated[
        str, Field(max_length=2000), Written(r"(https?://[^\s\x00-\x1f\x7f]+)?", "an http or https address")
    ] = ""
    sha256: Annotated[str, Written("([0-9a-f]{64})?", "64 digits or letters from a to f")] = ""
    pool: Key = "0"


class ImageClone(Model):
    """A child of a master, larger if a size is given."""

    name: Name
    size_bytes: DiskBytes | None = None


class ImageGrow(Model):
    """The new size."""

    size_bytes: DiskBytes


CHANGE = Kind.CHANGE

ROUTES = [
    Route("GET", "/images", images.list_, "List images", query=TrashPage),
    Route("POST", "/images", images.create, "Make an empty disk", CHANGE, body=ImageCreate),
    Route("POST", "/images/import", images.import_, "Import a disk or a medium", CHANGE, body=ImageImport),
    Route("GET", "/images/{id}", images.show, "Show an image and what depends on it"),
    Route("POST", "/images/{id}/clone", images.clone, "Clone a master", CHANGE, body=ImageClone),
    Route("POST", "/images/{id}/master", images.make_master, "Turn an image into a master", CHANGE),
    Route("POST", "/images/{id}/flatten", images.flatten, "Make a child independent of its master", CHANGE),
    Route("POST", "/images/{id}/grow", images.grow, "Make a disk larger", CHANGE, body=ImageGrow),
    Route("DELETE", "/images/{id}", images.delete, "Move an image into the trash", CHANGE),
    Route("POST", "/images/{id}/undelete", images.undelete, "Take an image out of the trash", CHANGE),
    Route("POST", "/images/{id}/purge", images.purge, "Remove an image in the trash for good", CHANGE),
]
