"""What every Host must keep: subclass `HostClauses`, give the fixtures `host` and `scratch`, run pytest.

Numbers in the tests are those of the clauses in docs/reference/contract-host.md.
"""

from origo.testing.host_suite.base import HostSuite
from origo.testing.host_suite.commands import CommandClauses
from origo.testing.host_suite.files import FileClauses

__all__ = ["CommandClauses", "FileClauses", "HostClauses", "HostSuite"]


class HostClauses(CommandClauses, FileClauses):
    """All clauses."""
