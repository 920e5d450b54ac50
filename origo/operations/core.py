"""What services and steps work with: the parts of a running engine, made once by the spine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from origo.config import Config
    from origo.events import Events
    from origo.host import Host
    from origo.operations.engine import Engine
    from origo.plugins import Drivers
    from origo.secrets import Secrets
    from origo.supervise import Supervisor


@dataclass
class Core:
    """The parts of one running engine."""

    config: Config
    local: Host
    """The machine the engine runs on."""
    secrets: Secrets
    events: Events
    drivers: Drivers
    supervisor: Supervisor
    operations: Engine
