"""A machine to work on: the only door to processes and files there, the same for this machine and for a distant one."""

from origo.host.contract import (
    Command,
    FileFacts,
    Host,
    Job,
    Limits,
    Result,
    Space,
    current_job,
    job,
    report,
)
from origo.host.local import LocalHost
from origo.host.ssh import SshHost

__all__ = [
    "Command",
    "FileFacts",
    "Host",
    "Job",
    "Limits",
    "LocalHost",
    "Result",
    "Space",
    "SshHost",
    "current_job",
    "job",
    "report",
]
