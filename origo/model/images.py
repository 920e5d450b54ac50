"""Images: disks of servers, masters that children are cloned from, and media."""

import peewee

from origo.model.base import NounRow
from origo.model.pools import Pool
from origo.model.users import User


class Image(NounRow):
    """`kind` is master, child or plain; `content` is disk or iso; `state` creating, ready or trashed.

    A child's `master` is never purged before it. `size_bytes` is what a guest sees, `allocated_bytes` what it takes
    in the pool as last measured. The file is `<area>/<id>.<format>` in its pool; renaming never touches it.
    """

    trigrams = "image_trigrams"

    name = peewee.CharField(collation="NOCASE")
    owner = peewee.ForeignKeyField(User, backref="images")
    owner_id: str
    pool = peewee.ForeignKeyField(Pool, backref="images")
    pool_id: int
    kind = peewee.CharField(default="plain")
    content = peewee.CharField(default="disk")
    format = peewee.CharField(default="qcow2")
    master = peewee.ForeignKeyField("self", backref="children", null=True)
    master_id: str | None
    size_bytes = peewee.BigIntegerField(default=0)
    allocated_bytes = peewee.BigIntegerField(default=0)
    state = peewee.CharField(default="creating", index=True)
    trashed = peewee.DoubleField(null=True)

    class Meta:
        indexes = ((("owner", "name"), False),)
