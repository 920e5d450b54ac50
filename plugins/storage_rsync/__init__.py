"""The storage driver `storage_rsync`: pools that are folders."""

from origo_plugins.storage_rsync.driver import RsyncStorage

from origo.hookspecs import Register, hookimpl


@hookimpl
def register_drivers(register: Register) -> None:
    """One driver, of the plugin's own name."""
    register("storage", "storage_rsync", RsyncStorage)
