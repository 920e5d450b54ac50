"""Users, how they prove who they are, and what they may use."""

import peewee

from origo.model.base import NounRow, Row

NETWORKS = 16
"""How many networks a user may have unless something else is said: there are 65,280 for all."""


class User(NounRow):
    """`role` is admin or user; `password` is an Argon2id hash or empty; a quota of None is no limit."""

    name = peewee.CharField(unique=True, collation="NOCASE")
    role = peewee.CharField(default="user")
    password = peewee.CharField(default="")
    enabled = peewee.BooleanField(default=True)
    quota_memory_mb = peewee.IntegerField(null=True)
    quota_cpus = peewee.IntegerField(null=True)
    quota_disk_bytes = peewee.BigIntegerField(null=True)
    quota_networks = peewee.IntegerField(null=True, default=NETWORKS)


class Session(Row):
    """A browser that is logged in to one origin; `host` is the engine's name or a stack's, `parent` the engine's own
    session that a stack's came from. `id` is the hash of the cookie."""

    id = peewee.CharField(primary_key=True)
    user = peewee.ForeignKeyField(User, backref="sessions", on_delete="CASCADE")
    user_id: str
    host = peewee.CharField()
    parent = peewee.ForeignKeyField("self", null=True, on_delete="CASCADE")
    parent_id: str | None
    created = peewee.DoubleField()
    expires = peewee.DoubleField(index=True)


class Token(NounRow):
    """A key for programs; `secret` is its hash."""

    user = peewee.ForeignKeyField(User, backref="tokens", on_delete="CASCADE")
    user_id: str
    name = peewee.CharField()
    secret = peewee.CharField(unique=True)
    expires = peewee.DoubleField(null=True)
    used = peewee.DoubleField(null=True)


class Ticket(Row):
    """A single-use key that expires soon: a set-up link (`purpose` setup), or a stack's origin to enter (`enter`).

    `id` is the hash of the key; `subject` what it is good for.
    """

    id = peewee.CharField(primary_key=True)
    purpose = peewee.CharField()
    user = peewee.ForeignKeyField(User, null=True, on_delete="CASCADE")
    user_id: str | None
    subject = peewee.CharField(default="")
    expires = peewee.DoubleField(index=True)
