"""Installed stacks."""

import peewee

from origo.model.base import JSONField, NounRow, Row
from origo.model.catalog import CatalogStack
from origo.model.users import User


class Stack(NounRow):
    """`label` is the first part of its page's host name; `page` is member, port and path of that page.

    `state` is creating, ready or trashed: what it is doing follows from its servers. `answers` are not secrets; those
    that are lie sealed in `secret`.
    """

    trigrams = "stack_trigrams"

    name = peewee.CharField(collation="NOCASE")
    owner = peewee.ForeignKeyField(User, backref="stacks")
    owner_id: str
    entry = peewee.ForeignKeyField(CatalogStack, null=True, on_delete="SET NULL")
    entry_id: str | None
    label = peewee.CharField(unique=True)
    page = JSONField(null=True)
    answers = JSONField(default=dict)
    secret = peewee.TextField(default="")
    state = peewee.CharField(default="creating", index=True)
    trashed = peewee.DoubleField(null=True)


class Label(Row):
    """A label that was used once: never again, since a browser may still hold cookies for it."""

    label = peewee.CharField(primary_key=True)
    created = peewee.DoubleField()
