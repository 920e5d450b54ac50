"""The first tables, frozen as they were: today's rows are not imported here."""

from typing import Any

import peewee


class JSONField(peewee.TextField):
    pass


class Row(peewee.Model):
    class Meta:
        legacy_table_names = False


class NounRow(Row):
    id = peewee.CharField(primary_key=True)
    created = peewee.DoubleField(index=True)


class EngineRow(NounRow):
    name = peewee.CharField()
    domain = peewee.CharField()
    set_up = peewee.DoubleField(null=True)
    recovery = peewee.CharField()
    acme = JSONField(null=True)

    class Meta:
        table_name = "engine"


class Migration(Row):
    name = peewee.CharField(primary_key=True)
    applied = peewee.DoubleField()


class User(NounRow):
    name = peewee.CharField(unique=True, collation="NOCASE")
    role = peewee.CharField()
    password = peewee.CharField()
    enabled = peewee.BooleanField()
    quota_memory_mb = peewee.IntegerField(null=True)
    quota_cpus = peewee.IntegerField(null=True)
    quota_disk_bytes = peewee.BigIntegerField(null=True)
    quota_networks = peewee.IntegerField(null=True)


class Session(Row):
    id = peewee.CharField(primary_key=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    host = peewee.CharField()
    parent = peewee.ForeignKeyField("self", null=True, on_delete="CASCADE")
    created = peewee.DoubleField()
    expires = peewee.DoubleField(index=True)


class Token(NounRow):
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    name = peewee.CharField()
    secret = peewee.CharField(unique=True)
    expires = peewee.DoubleField(null=True)
    used = peewee.DoubleField(null=True)


class Ticket(Row):
    id = peewee.CharField(primary_key=True)
    purpose = peewee.CharField()
    user = peewee.ForeignKeyField(User, null=True, on_delete="CASCADE")
    subject = peewee.CharField()
    expires = peewee.DoubleField(index=True)


class Node(NounRow):
    name = peewee.CharField(unique=True, collation="NOCASE")
    address = peewee.CharField()
    hypervisor = peewee.CharField()
    options = JSONField()
    boot = peewee.CharField()
    state = peewee.CharField()
    memory_mb = peewee.IntegerField()
    cpus = peewee.IntegerField()
    facts = JSONField()


class Pool(Row):
    id = peewee.IntegerField(primary_key=True)
    name = peewee.CharField(unique=True, collation="NOCASE")
    driver = peewee.CharField()
    path = peewee.CharField(unique=True)
    options = JSONField()
    state = peewee.CharField()
    noted = peewee.IntegerField()
    exported = JSONField()
    created = peewee.DoubleField()


class Image(NounRow):
    name = peewee.CharField(collation="NOCASE")
    owner = peewee.ForeignKeyField(User)
    pool = peewee.ForeignKeyField(Pool)
    kind = peewee.CharField()
    content = peewee.CharField()
    format = peewee.CharField()
    master = peewee.ForeignKeyField("self", null=True)
    size_bytes = peewee.BigIntegerField()
    allocated_bytes = peewee.BigIntegerField()
    state = peewee.CharField(index=True)
    trashed = peewee.DoubleField(null=True)

    class Meta:
        indexes = ((("owner", "name"), False),)


class CatalogStack(NounRow):
    name = peewee.CharField()
    version = peewee.CharField()
    title = peewee.CharField()
    digest = peewee.CharField(unique=True)
    descriptor = JSONField()
    state = peewee.CharField()

    class Meta:
        indexes = ((("name", "version"), False),)


class CatalogMaster(NounRow):
    entry = peewee.ForeignKeyField(CatalogStack, on_delete="CASCADE")
    member = peewee.CharField()
    role = peewee.CharField()
    image = peewee.ForeignKeyField(Image)


class Stack(NounRow):
    name = peewee.CharField(collation="NOCASE")
    owner = peewee.ForeignKeyField(User)
    entry = peewee.ForeignKeyField(CatalogStack, null=True, on_delete="SET NULL")
    label = peewee.CharField(unique=True)
    page = JSONField(null=True)
    answers = JSONField()
    secret = peewee.TextField()
    state = peewee.CharField(index=True)
    trashed = peewee.DoubleField(null=True)


class Label(Row):
    label = peewee.CharField(primary_key=True)
    created = peewee.DoubleField()


class Server(NounRow):
    name = peewee.CharField(collation="NOCASE", index=True)
    owner = peewee.ForeignKeyField(User)
    node = peewee.ForeignKeyField(Node)
    stack = peewee.ForeignKeyField(Stack, null=True)
    member = peewee.CharField()
    position = peewee.IntegerField()
    memory_mb = peewee.IntegerField()
    cpus = peewee.IntegerField()
    boot = peewee.CharField()
    hardware = peewee.CharField()
    seed = peewee.BooleanField()
    state = peewee.CharField(index=True)
    power = peewee.CharField(index=True)
    desired = peewee.CharField()
    settled = peewee.CharField()
    trashed = peewee.DoubleField(null=True)

    class Meta:
        indexes = (
            (("created", "id", "state", "name"), False),
            (("owner", "created", "id", "state", "name"), False),
        )


class Disk(Row):
    server = peewee.ForeignKeyField(Server, on_delete="CASCADE")
    image = peewee.ForeignKeyField(Image)
    position = peewee.IntegerField()
    role = peewee.CharField()

    class Meta:
        indexes = ((("server", "position"), True),)


class Network(NounRow):
    name = peewee.CharField(collation="NOCASE")
    number = peewee.IntegerField(unique=True)
    owner = peewee.ForeignKeyField(User)
    driver = peewee.CharField()
    bridge = peewee.CharField(unique=True)
    subnet = peewee.CharField(unique=True)
    gateway = peewee.CharField()
    nat = peewee.BooleanField()
    state = peewee.CharField()

    class Meta:
        indexes = ((("owner", "name"), True),)


class Connection(NounRow):
    network = peewee.ForeignKeyField(Network)
    server = peewee.ForeignKeyField(Server)
    position = peewee.IntegerField()
    type = peewee.CharField()
    mac = peewee.CharField(unique=True)
    address = peewee.CharField()
    tap = peewee.CharField(unique=True)
    ports = JSONField()
    options = JSONField()
    active = peewee.BooleanField(index=True)

    class Meta:
        indexes = ((("network", "address"), True),)


class OperationRow(Row):
    id = peewee.AutoField()
    kind = peewee.CharField()
    noun = peewee.CharField()
    target = peewee.CharField(index=True)
    args = JSONField()
    data = JSONField()
    locks = JSONField()
    status = peewee.CharField(index=True)
    backwards = peewee.BooleanField()
    step = peewee.IntegerField()
    steps = JSONField()
    progress = peewee.DoubleField()
    note = peewee.CharField()
    error = JSONField(null=True)
    attempts = peewee.IntegerField()
    cancel = peewee.BooleanField()
    by = peewee.CharField()
    owner = peewee.CharField(index=True)
    created = peewee.DoubleField()
    started = peewee.DoubleField(null=True)
    ended = peewee.DoubleField(null=True)
    key = peewee.CharField(null=True)
    request = peewee.CharField()

    class Meta:
        table_name = "operation"
        indexes = ((("key", "by"), True),)


class OperationLog(Row):
    id = peewee.AutoField()
    operation = peewee.ForeignKeyField(OperationRow, on_delete="CASCADE")
    time = peewee.DoubleField()
    text = peewee.TextField()


class EventRow(Row):
    id = peewee.AutoField()
    time = peewee.DoubleField()
    kind = peewee.CharField()
    noun = peewee.CharField()
    target = peewee.CharField()
    owner = peewee.CharField(index=True)
    data = JSONField()

    class Meta:
        table_name = "event"


class Issue(NounRow):
    key = peewee.CharField(index=True)
    severity = peewee.CharField()
    noun = peewee.CharField()
    target = peewee.CharField()
    owner = peewee.CharField()
    sentence = peewee.CharField()
    remedy = peewee.CharField()
    ended = peewee.DoubleField(null=True)


ROWS = (
    EngineRow,
    Migration,
    User,
    Session,
    Token,
    Ticket,
    Node,
    Pool,
    Image,
    CatalogStack,
    CatalogMaster,
    Stack,
    Label,
    Server,
    Disk,
    Network,
    Connection,
    OperationRow,
    OperationLog,
    EventRow,
    Issue,
)

NAMES = (
    "CREATE VIRTUAL TABLE {table}_trigrams USING fts5(id UNINDEXED, name, tokenize='trigram')",
    """CREATE TRIGGER {table}_trigrams_made AFTER INSERT ON "{table}" BEGIN
        INSERT INTO {table}_trigrams (name, id) VALUES (new.name, new.id);
    END""",
    """CREATE TRIGGER {table}_trigrams_changed AFTER UPDATE OF name ON "{table}" WHEN old.name IS NOT new.name BEGIN
        UPDATE {table}_trigrams SET name = new.name WHERE name LIKE old.name AND id = old.id;
    END""",
    """CREATE TRIGGER {table}_trigrams_removed AFTER DELETE ON "{table}" BEGIN
        DELETE FROM {table}_trigrams WHERE name LIKE old.name AND id = old.id;
    END""",
)
"""The names of a table by their trigrams; `LIKE` finds an old name by that index too, its id tells which one it is."""


def apply(database: peewee.Database) -> None:
    with database.bind_ctx(ROWS):
        database.create_tables(ROWS)
    execute: Any = database.execute_sql
    for table in ("image", "server", "stack"):
        for statement in NAMES:
            execute(statement.format(table=table))
