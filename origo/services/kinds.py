"""All kinds of operations; a kind that was here once stays, since journals name it."""

from origo.operations.base import Operation
from origo.services.catalog.operations import KINDS as CATALOG
from origo.services.engine.certifying import KINDS as CERTIFICATES
from origo.services.engine.copying import BackUpEngine, RestoreEngine
from origo.services.engine.operations import SetUp
from origo.services.images.operations import KINDS as IMAGES
from origo.services.networks.operations import KINDS as NETWORKS
from origo.services.pools.exporting import ExportPool
from origo.services.pools.operations import CreatePool
from origo.services.servers.operations import KINDS as SERVERS
from origo.services.servers.rebuilding import RebuildServer
from origo.services.stacks.operations import KINDS as STACKS

ALL: tuple[type[Operation], ...] = (
    SetUp, *CERTIFICATES, BackUpEngine, RestoreEngine, CreatePool, ExportPool, *NETWORKS, *IMAGES, *SERVERS,
    RebuildServer, *CATALOG, *STACKS,
)  # fmt: skip
