"""Servers and their disks."""

import peewee

from origo.model.base import NounRow, Row
from origo.model.images import Image
from origo.model.nodes import Node
from origo.model.stacks import Stack
from origo.model.users import User


class Server(NounRow):
    """`power` is what the hypervisor said last, `desired` (running, stopped, suspended) what a person wants, and
    `settled` what was wanted by all that is done already.

    `hardware` is what its hypervisor gave it when it first knew it, and gives it again if it has forgotten.
    `state` is creating, ready or trashed. `member` and `position` are its name and start order in its stack, which
    several may share; with `seed` it has a medium that tells its guest who it is.
    """

    trigrams = "server_trigrams"

    name = peewee.CharField(collation="NOCASE", index=True)
    owner = peewee.ForeignKeyField(User, backref="servers")
    owner_id: str
    node = peewee.ForeignKeyField(Node, backref="servers")
    node_id: str
    stack = peewee.ForeignKeyField(Stack, backref="servers", null=True)
    stack_id: str | None
    member = peewee.CharField(default="")
    position = peewee.IntegerField(default=0)
    memory_mb = peewee.IntegerField()
    cpus = peewee.IntegerField(default=1)
    boot = peewee.CharField(default="disk")
    hardware = peewee.CharField(default="")
    seed = peewee.BooleanField(default=False)
    state = peewee.CharField(default="creating", index=True)
    power = peewee.CharField(default="stopped", index=True)
    desired = peewee.CharField(default="stopped")
    settled = peewee.CharField(default="stopped")
    trashed = peewee.DoubleField(null=True)

    class Meta:
        # Each has all that a search looks at, so that it reads only the rows that it finds.
        indexes = (
            (("created", "id", "state", "name"), False),
            (("owner", "created", "id", "state", "name"), False),
        )


class Disk(Row):
    """An image in a server; `role` is system, data or media. An image is in one server at most, media in many."""

    server = peewee.ForeignKeyField(Server, backref="disks", on_delete="CASCADE")
    server_id: str
    image = peewee.ForeignKeyField(Image, backref="disks")
    image_id: str
    position = peewee.IntegerField()
    role = peewee.CharField(default="system")

    class Meta:
        indexes = ((("server", "position"), True),)
