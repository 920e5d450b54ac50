"""Routes of the engine, its nodes, plugins, issues and events."""

from typing import Annotated

from pydantic import Field

from origo.api.pools import PoolPath
from origo.api.route import Kind, Model, Page, Route
from origo.api.users import Password
from origo.config import DOMAIN, INTERFACE
from origo.services import engine, events, issues, nodes, plugins
from origo.services.engine import backups, doctor, setup
from origo.services.naming import Name, Written
from origo.services.users import UserName

RecoveryKey = Annotated[str, Field(max_length=100)]


class EventPage(Model):
    """Which events: those after the id `after`."""

    after: int = Field(default=0, ge=-1)
    limit: int = Field(default=100, ge=1, le=500)


class Administrator(Model):
    """The first administrator."""

    name: UserName
    password: Password


class FirstPool(Model):
    """What pool 0 is made of: a driver, and its options, such as a ZFS pool's devices."""

    driver: str = Field(default="storage_rsync", max_length=100)
    options: dict[str, str] = Field(default_factory=dict, max_length=20)


class SetUp(Model):
    """What a new engine is to be. Without an administrator the link of `origo users setup-link` makes the first one.

    Without a time zone the machine's stays; without an outer interface it is the one that holds the default route.
    """

    name: Name = "origo"
    domain: Annotated[str, Field(max_length=200), Written(DOMAIN, "a domain in small letters, such as example.org")]
    administrator: Administrator | None = None
    storage: FirstPool = FirstPool()
    time_zone: str = Field(default="", max_length=100)
    outer_interface: Annotated[str, Field(max_length=15), Written(INTERFACE, "the name of an interface")] = ""


class BackUp(Model):
    """The pool that the backup is written into, by number or name."""

    pool: str = Field(default="0", max_length=63)


class Restore(Model):
    """Which backup, in which pool (without a name the newest), and the recovery key that opens it."""

    key: RecoveryKey
    pool: str = Field(default="0", max_length=63)
    name: str = Field(default="", max_length=100)


class Recover(Model):
    """A pool of the engine that was lost: its number, its driver and options, where it is; and the recovery key.

    With `take` also one that another machine used last and did not give back, unless that is still writing to it.
    """

    key: RecoveryKey
    id: int = Field(default=0, ge=0, le=1 << 31)
    driver: str = Field(default="storage_rsync", max_length=100)
    path: PoolPath = ""
    options: dict[str, str] = Field(default_factory=dict, max_length=20)
    take: bool = False


ROUTES = [
    Route("GET", "/engine", engine.show, "Show the engine"),
    Route("GET", "/engine/setup", setup.offer, "Show what a new engine can be made of"),
    Route("POST", "/engine/setup", setup.set_up, "Set a new engine up", Kind.CHANGE, body=SetUp),
    Route("POST", "/engine/recovery-key", backups.new_key, "Make the key that opens backups of the engine", Kind.ACT),
    Route("GET", "/engine/backups", backups.list_, "List the backups of the engine", query=Page),
    Route("POST", "/engine/backups", backups.create, "Write a backup of the engine", Kind.CHANGE, body=BackUp),
    Route(
        "POST", "/engine/restore", backups.restore, "Let the engine be what a backup says", Kind.CHANGE, body=Restore
    ),
    Route("POST", "/engine/recover", backups.recover, "Let this be an engine that was lost", Kind.CHANGE, body=Recover),
    Route("GET", "/engine/doctor", doctor.doctor, "Check everything that can be checked"),
    Route("GET", "/nodes", nodes.list_, "List nodes", query=Page),
    Route("GET", "/nodes/{id}", nodes.show, "Show a node"),
    Route("GET", "/plugins", plugins.list_, "List plugins", query=Page),
    Route("GET", "/issues", issues.list_, "List what is wrong now", query=Page),
    Route("DELETE", "/issues/{id}", issues.dismiss, "Close an issue", Kind.ACT),
    Route("GET", "/events/list", events.list_, "List events", query=EventPage),
    Route("GET", "/events", events.follow, "Follow events", Kind.STREAM, query=EventPage),
]
