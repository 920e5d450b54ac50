"""The machines that run servers."""

import peewee

from origo.model.base import JSONField, NounRow


class Node(NounRow):
    """`address` is empty for this machine, else what ssh connects to. `facts` is what its hypervisor said last.

    `boot` is the boot of the machine in which its servers were followed last: while it is the same, a guest that ended
    did so by itself. While the engine ends them it is `ending`, and empty afterwards.
    """

    name = peewee.CharField(unique=True, collation="NOCASE")
    address = peewee.CharField(default="")
    hypervisor = peewee.CharField()
    options = JSONField(default=dict)
    boot = peewee.CharField(default="")
    state = peewee.CharField(default="running")
    memory_mb = peewee.IntegerField(default=0)
    cpus = peewee.IntegerField(default=0)
    facts = JSONField(default=dict)
