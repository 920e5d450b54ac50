"""The engine itself, and which migrations its database has had."""

import peewee

from origo.model.base import JSONField, NounRow, Row


class EngineRow(NounRow):
    """One row: this installation; `set_up` is when somebody has said what it is to be, where that is waited for.

    `recovery` is the public key that its backups are written with; the key that opens them is kept by people. `acme`
    is how its certificate is ordered and renewed, where an ACME server is asked for one.
    """

    name = peewee.CharField()
    domain = peewee.CharField()
    set_up = peewee.DoubleField(null=True)
    recovery = peewee.CharField(default="")
    acme = JSONField(null=True)

    class Meta:
        table_name = "engine"


class Migration(Row):
    """A migration that was applied; a name that the program does not know means that the database is newer."""

    name = peewee.CharField(primary_key=True)
    applied = peewee.DoubleField()
