"""The journal: operations, what they lock, what they said."""

import peewee

from origo.model.base import JSONField, Row


class OperationRow(Row):
    """`status` is queued, running, undoing, done, undone, stuck; `step` counts the steps that are done (forwards) or
    not yet undone (backwards); `backwards` tells which, also of one that is stuck; `error` is in the shape of all
    errors. `key` is the Idempotency-Key of the request that it came from, `request` its digest."""

    id = peewee.AutoField()
    kind = peewee.CharField()
    noun = peewee.CharField()
    target = peewee.CharField(index=True)
    args = JSONField()
    data = JSONField(default=dict)
    locks = JSONField(default=list)
    status = peewee.CharField(default="queued", index=True)
    backwards = peewee.BooleanField(default=False)
    step = peewee.IntegerField(default=0)
    steps = JSONField(default=list)
    progress = peewee.DoubleField(default=0)
    note = peewee.CharField(default="")
    error = JSONField(null=True)
    attempts = peewee.IntegerField(default=0)
    cancel = peewee.BooleanField(default=False)
    by = peewee.CharField()
    owner = peewee.CharField(index=True)
    created = peewee.DoubleField()
    started = peewee.DoubleField(null=True)
    ended = peewee.DoubleField(null=True)
    key = peewee.CharField(null=True)
    request = peewee.CharField(default="")

    class Meta:
        table_name = "operation"
        indexes = ((("key", "by"), True),)


class OperationLog(Row):
    """A line of an operation's log."""

    id = peewee.AutoField()
    operation = peewee.ForeignKeyField(OperationRow, backref="lines", on_delete="CASCADE")
    operation_id: int
    time = peewee.DoubleField()
    text = peewee.TextField()
