"""Rows without behaviour, one file for each noun."""

from origo.model.base import connect, database, dump, dumped, new_id
from origo.model.catalog import CatalogMaster, CatalogStack
from origo.model.engine import EngineRow, Migration
from origo.model.events import EventRow, Issue
from origo.model.images import Image
from origo.model.networks import Connection, Network
from origo.model.nodes import Node
from origo.model.operations import OperationLog, OperationRow
from origo.model.pools import Pool
from origo.model.servers import Disk, Server
from origo.model.stacks import Label, Stack
from origo.model.users import Session, Ticket, Token, User

ROWS = (
    EngineRow, Migration, User, Session, Token, Ticket, Node, Pool, Image, CatalogStack, CatalogMaster, Label, Stack,
    Server, Disk, Network, Connection, OperationRow, OperationLog, EventRow, Issue,
)  # fmt: skip
"""All rows, each after those it refers to."""

__all__ = [
    "CatalogMaster", "CatalogStack", "Connection", "Disk", "EngineRow", "EventRow", "Image", "Issue", "Label",
    "Migration", "Network", "Node", "OperationLog", "OperationRow", "Pool", "ROWS", "Server", "Session", "Stack",
    "Ticket", "Token", "User", "connect", "database", "dump", "dumped", "new_id",
]  # fmt: skip
