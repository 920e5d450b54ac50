"""Networks and the servers' connections to them."""

import peewee

from origo.model.base import JSONField, NounRow
from origo.model.servers import Server
from origo.model.users import User


class Network(NounRow):
    """`number` makes bridge and subnet: 256 is origo256 with 10.1.0.0/24. `state` is creating, ready or leaving; only
    to one that is ready servers are connected."""

    name = peewee.CharField(collation="NOCASE")
    number = peewee.IntegerField(unique=True)
    owner = peewee.ForeignKeyField(User, backref="networks")
    owner_id: str
    driver = peewee.CharField()
    bridge = peewee.CharField(unique=True)
    subnet = peewee.CharField(unique=True)
    gateway = peewee.CharField()
    nat = peewee.BooleanField(default=True)
    state = peewee.CharField(default="ready")

    class Meta:
        indexes = ((("owner", "name"), True),)


class Connection(NounRow):
    """A server's card on a network; `position` is the order of its cards. `address` is never two servers' at once.

    `active` while it is to be there on the host: from the server's start until it is in the trash.
    """

    network = peewee.ForeignKeyField(Network, backref="connections")
    network_id: str
    server = peewee.ForeignKeyField(Server, backref="connections")
    server_id: str
    position = peewee.IntegerField(default=0)
    type = peewee.CharField(default="internal")
    mac = peewee.CharField(unique=True)
    address = peewee.CharField()
    tap = peewee.CharField(unique=True)
    ports = JSONField(default=list)
    options = JSONField(default=dict)
    active = peewee.BooleanField(default=False, index=True)

    class Meta:
        indexes = ((("network", "address"), True),)
