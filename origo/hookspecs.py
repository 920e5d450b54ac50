"""What a plugin may hook into: pluggy finds it here, the classes of `origo.contracts` say what it promises."""

from typing import Any, Protocol

import pluggy

hookspec = pluggy.HookspecMarker("origo")
hookimpl = pluggy.HookimplMarker("origo")


class Register(Protocol):
    """What `register_drivers` is handed: call it once for each driver class (of `origo.contracts`)."""

    def __call__(self, kind: str, name: str, cls: type[Any]) -> None:
        """`kind` is hypervisor, storage or network; `name` is what nodes, pools and networks call the driver."""


@hookspec
def register_drivers(register: Register) -> None:
    """Tell which drivers the plugin has. Called once, while the plugin is loaded; nothing else is to be done here."""
