"""What happened, and what is wrong now."""

import peewee

from origo.model.base import JSONField, NounRow, Row


class EventRow(Row):
    """Something happened to a noun; only `owner` and administrators may see it. An empty owner: administrators only."""

    id = peewee.AutoField()
    time = peewee.DoubleField()
    kind = peewee.CharField()
    noun = peewee.CharField()
    target = peewee.CharField(default="")
    owner = peewee.CharField(default="", index=True)
    data = JSONField(default=dict)

    class Meta:
        table_name = "event"


class Issue(NounRow):
    """Something is wrong until it is `ended`; `key` names the trouble, so that the same one is not there twice."""

    key = peewee.CharField(index=True)
    severity = peewee.CharField(default="warning")
    noun = peewee.CharField(default="")
    target = peewee.CharField(default="")
    owner = peewee.CharField(default="")
    sentence = peewee.CharField()
    remedy = peewee.CharField(default="")
    ended = peewee.DoubleField(null=True)
