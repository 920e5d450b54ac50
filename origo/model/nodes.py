"""The machines that run servers."""

import peewee

from origo.model.base import JSONField, NounRow


class Node(NounRow):
    """`address` is empty for this machine, else what ssh connects to. `facts` is what its hypervisor said last."""

    name = peewee.CharField(unique=True, collation="NOCASE")
    address = peewee.CharField(default="")
    hypervisor = peewee.CharField()
    options = JSONField(default=dict)
    state = peewee.CharField(default="running")
    memory_mb = peewee.IntegerField(default=0)
    cpus = peewee.IntegerField(default=0)
    facts = JSONField(default=dict)
