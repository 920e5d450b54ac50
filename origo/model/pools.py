"""Pools: where images lie."""

import peewee

from origo.model.base import JSONField, Row


class Pool(Row):
    """`id` is the pool's number, 0 the default one. `state` is creating, ready or missing.

    `noted` counts how often its notes were written; a pool whose notes count more knows what the database lost.
    `exported` are the addresses of the machines that may mount it.
    """

    id = peewee.IntegerField(primary_key=True)
    name = peewee.CharField(unique=True, collation="NOCASE")
    driver = peewee.CharField()
    path = peewee.CharField(unique=True)
    options = JSONField(default=dict)
    state = peewee.CharField(default="creating")
    noted = peewee.IntegerField(default=0)
    exported = JSONField(default=list)
    created = peewee.DoubleField()
