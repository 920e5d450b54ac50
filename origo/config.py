"""Settings: one table; the machine's defaults, a TOML file in the home, and the environment, each over the former."""

import difflib
import ipaddress
import json
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from origo.errors import BadInput, reason

FILE = "origo.toml"
"""The settings file in the home."""
DOMAIN = r"(?!.{200})[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"

OPENED = r"(?P<ports>[0-9]{1,5}(-[0-9]{1,5})?)/(?P<protocol>tcp|udp)(@(?P<source>[0-9a-f.:]+/[0-9]{1,3}))?"
"""What the firewall lets in: a port or several, of one protocol, from everywhere or from one network."""
INTERFACE = r"([A-Za-z0-9][A-Za-z0-9._-]{0,14})?"


def _is_domain(value: str) -> bool:
    return re.fullmatch(DOMAIN, value) is not None


def _is_port(value: int) -> bool:
    return 0 < value < 65536


def _is_interface(value: str) -> bool:
    return re.fullmatch(INTERFACE, value) is not None


def _are_opened(value: str) -> bool:
    found = [re.fullmatch(OPENED, word) for word in value.split()]
    try:
        return all(one and _are_ports(one["ports"]) and _is_network(one["source"]) for one in found)
    except ValueError:
        return False


def _are_ports(value: str) -> bool:
    first, _, last = value.partition("-")
    return 0 < int(first) <= int(last or first) < 65536


def _is_network(value: str | None) -> bool:
    """Raises ValueError."""
    return value is None or bool(ipaddress.ip_network(value))


def _are_options(value: str) -> bool:
    try:
        return all(word.find("=") > 0 for word in shlex.split(value))
    except ValueError:
        return False


@dataclass(frozen=True)
class Setting:
    """One setting: its name in the file, and in the environment as ORIGO_<NAME>; `kind` is str, int or bool.

    `fits` says whether a value of that kind is one, and `must` what it must be.
    """

    name: str
    kind: type
    default: Any
    help: str
    fits: Callable[[Any], bool] = lambda value: True
    must: str = ""


SETTINGS: tuple[Setting, ...] = (
    Setting("name", str, "origo", "What this engine is called, from its first start on."),
    Setting(
        "domain",
        str,
        "localhost",
        "The engine is origo.<domain>, each stack's page <label>.origo.<domain>.",
        _is_domain,
        "a domain in small letters, such as example.org",
    ),
    Setting(
        "http_port",
        int,
        8080,
        "The port of plain http: the engine's own on loopback; from elsewhere it leads to https.",
        _is_port,
        "from 1 to 65535",
    ),
    Setting("https_port", int, 8443, "The port in the URLs of https.", _is_port, "from 1 to 65535"),
    Setting("listen", str, "", "Addresses the front listens on besides its unix sockets, separated by spaces."),
    Setting(
        "outer_interface",
        str,
        "",
        "The interface to the world outside; by default the one that holds the default route.",
        _is_interface,
        "the name of an interface, such as eth0",
    ),
    Setting(
        "firewall",
        bool,
        False,
        "Whether this machine is reachable by ssh, by its pages and by what `firewall_open` says only.",
    ),
    Setting(
        "firewall_open",
        str,
        "",
        "What else the firewall lets in, such as `5432/tcp 6000-6010/udp 2049/tcp@192.168.1.0/24`.",
        _are_opened,
        "ports such as 5432/tcp, 6000-6010/udp or 2049/tcp@192.168.1.0/24",
    ),
    Setting(
        "setup",
        bool,
        False,
        "Whether the engine waits for `origo setup`, which says what pool 0 is, before it makes one.",
    ),
    Setting("hypervisor", str, "hypervisor_kvm", "The driver that runs servers on this machine."),
    Setting("network", str, "net_iptables", "The driver that connects servers."),
    Setting("storage", str, "storage_rsync", "The driver of pool 0 when it is made at the first start."),
    Setting(
        "storage_options",
        str,
        "",
        'What that driver is told, such as `devices="/dev/sdb /dev/sdc" layout=mirror` for `storage_zfs`.',
        _are_options,
        "words of the form key=value, a value with spaces in double quotes",
    ),
    Setting(
        "libvirt",
        str,
        "system",
        "`system`: the libvirtd that the machine runs; `own`: the engine runs and configures it.",
    ),
    Setting("guests_nat", bool, True, "Whether a new network lets its servers reach the world outside."),
    Setting("memory_reserve_mb", int, 512, "Memory of this machine that servers never get, in MB."),
    Setting("workers", int, 8, "Operations that run at the same moment; the others wait their turn."),
    Setting(
        "shutdown_seconds", int, 60, "How long a guest may take to shut down until it is an issue, or powered off."
    ),
    Setting("cache", str, "/var/cache/origo", "Where packages and trees of stack builds are kept between builds."),
    Setting("plugin_folder", str, "/usr/lib/origo/plugins", "Where plugins outside Python's packages are looked for."),
)


@dataclass(frozen=True)
class Config:
    """The home's path and every setting's value."""

    home: Path
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def changed(self, changes: Mapping[str, Any]) -> "Config":
        """The same, with these values instead."""
        return replace(self, values={**self.values, **changes})

    @property
    def host_name(self) -> str:
        """The engine's own host name."""
        return f"origo.{self['domain']}"

    @property
    def storage_options(self) -> dict[str, str]:
        """What the driver of pool 0 is told."""
        return dict(word.split("=", 1) for word in shlex.split(self["storage_options"]))

    def path(self, *parts: str) -> str:
        """A path below the home."""
        return str(self.home.joinpath(*parts))


def load(home: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `<home>/origo.toml`, where there is one, and the environment. Raises BadInput naming the nearest one.

    ORIGO_DEFAULTS names a file of the same form that says what a setting is where nobody sets it.
    """
    values = {setting.name: setting.default for setting in SETTINGS}
    if "ORIGO_DEFAULTS" in environment:
        values.update(_from_file(Path(environment["ORIGO_DEFAULTS"])))
    file = home / FILE
    if file.exists():
        values.update(_from_file(file))
    for setting in SETTINGS:
        text = environment.get(f"ORIGO_{setting.name.upper()}")
        if text is not None:
            values[setting.name] = found = _from_text(setting, text)
            if not setting.fits(found):
                raise BadInput(f"cannot use ORIGO_{setting.name.upper()}={text!r}: it must be {setting.must}")
    return Config(home=home, values=values)


def rewritten(text: str, changes: Mapping[str, str]) -> str:
    """The text of a settings file with these values in it; all else stays as it is, comments too."""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in changes]
    return "\n".join([*kept, *(f"{name} = {json.dumps(value)}" for name, value in changes.items())]) + "\n"


def home_from_environment() -> Path:
    """The home that ORIGO_HOME names, or the default one."""
    return Path(os.environ.get("ORIGO_HOME", "/var/lib/origo"))


def _from_file(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {file}: {reason(error)}") from error
    known = {setting.name: setting for setting in SETTINGS}
    for name, value in found.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see docs/reference/settings.md"
            raise BadInput(f"cannot read {file}: there is no setting {name}", hint=hint)
        if type(value) is not known[name].kind:
            raise BadInput(f"cannot read {file}: {name} must be {_KINDS[known[name].kind]}")
        if not known[name].fits(value):
            raise BadInput(f"cannot read {file}: {name} must be {known[name].must}")
    return found


def _from_text(setting: Setting, text: str) -> Any:
    if setting.kind is str:
        return text
    try:
        if setting.kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return int(text)
    except (KeyError, ValueError) as error:
        variable = f"ORIGO_{setting.name.upper()}"
        raise BadInput(f"cannot use {variable}={text!r}: it must be {_KINDS[setting.kind]}") from error


_KINDS = {str: "a text", int: "a whole number", bool: "true or false"}
