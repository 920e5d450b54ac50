"""The network driver `net_iptables`: bridges, rules and leases on a Linux host."""

from origo_plugins.net_iptables.driver import IptablesNetwork

from origo.hookspecs import Register, hookimpl


@hookimpl
def register_drivers(register: Register) -> None:
    """One driver, of the plugin's own name."""
    register("network", "net_iptables", IptablesNetwork)
