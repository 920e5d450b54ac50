"""What a driver promises: small abstract classes and frozen data, the whole boundary between core and plugins."""

from origo.contracts.consoles import Consoles, ConsoleStream
from origo.contracts.driver import Closing, Driver, Facts, Lack
from origo.contracts.hypervisor import (
    Confinement,
    DiskSpec,
    Hypervisor,
    NicSpec,
    Power,
    Reasons,
    ServerSpec,
    StateEvent,
    Usage,
    Watch,
)
from origo.contracts.network import ConnectionSpec, ConnectionType, Desired, Network, NetworkSpec
from origo.contracts.service import Services, ServiceSpec
from origo.contracts.storage import Exports, Place, PoolSpec, PoolUsage, Storage, Takeover

GENERATION = 1
"""The generation of all contracts; a plugin's manifest names the one it was written for."""

__all__ = [
    "GENERATION",
    "Closing",
    "Confinement",
    "ConnectionSpec",
    "ConnectionType",
    "ConsoleStream",
    "Consoles",
    "Desired",
    "DiskSpec",
    "Driver",
    "Exports",
    "Facts",
    "Hypervisor",
    "Lack",
    "Network",
    "NetworkSpec",
    "NicSpec",
    "Place",
    "PoolSpec",
    "PoolUsage",
    "Power",
    "Reasons",
    "ServerSpec",
    "ServiceSpec",
    "Services",
    "StateEvent",
    "Storage",
    "Takeover",
    "Usage",
    "Watch",
]
