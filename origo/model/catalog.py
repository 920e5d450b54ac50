"""The catalog: stacks that can be installed."""

import peewee

from origo.model.base import JSONField, NounRow
from origo.model.images import Image


class CatalogStack(NounRow):
    """One version of a stack that can be installed; `digest` is of everything it was built from.

    `state` is creating, ready, or leaving while it is taken out.
    """

    name = peewee.CharField()
    version = peewee.CharField()
    title = peewee.CharField()
    digest = peewee.CharField(unique=True)
    descriptor = JSONField()
    state = peewee.CharField(default="creating")

    class Meta:
        indexes = ((("name", "version"), False),)


class CatalogMaster(NounRow):
    """Which master a disk is cloned from; `member` is the server's name in the recipe, `role` system or data."""

    entry = peewee.ForeignKeyField(CatalogStack, backref="masters", on_delete="CASCADE")
    entry_id: str
    member = peewee.CharField()
    role = peewee.CharField()
    image = peewee.ForeignKeyField(Image)
    image_id: str
