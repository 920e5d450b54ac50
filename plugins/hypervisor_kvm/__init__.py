"""The hypervisor driver `hypervisor_kvm`."""

from origo_plugins.hypervisor_kvm.driver import KvmHypervisor

from origo.hookspecs import Register, hookimpl


@hookimpl
def register_drivers(register: Register) -> None:
    """One driver, of the plugin's own name."""
    register("hypervisor", "hypervisor_kvm", KvmHypervisor)
