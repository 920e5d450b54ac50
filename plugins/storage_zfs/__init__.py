"""The storage driver `storage_zfs`: pools that are ZFS pools of one dataset."""

from origo_plugins.storage_zfs.driver import ZfsStorage

from origo.hookspecs import Register, hookimpl


@hookimpl
def register_drivers(register: Register) -> None:
    """One driver, of the plugin's own name."""
    register("storage", "storage_zfs", ZfsStorage)
