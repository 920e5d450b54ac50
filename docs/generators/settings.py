"""The page of settings, from their table."""

from origo.config import SETTINGS

HEAD = """# Settings

In `<home>/origo.toml`, or in the environment, which wins: the setting `workers` is `ORIGO_WORKERS` there. A name that
is no setting is refused. `ORIGO_DEFAULTS` names a file of the same form that says what a setting is where nobody sets
it; where the Debian package runs the engine, that is `/usr/share/origo/appliance.toml`, or after an upgrade that went
back by itself that file of the version before, `/usr/lib/origo/current/appliance.toml`.

| name | kind | default | what it is |
|---|---|---|---|
"""
KINDS = {str: "text", int: "whole number", bool: "true or false"}


def page() -> str:
    """One row for each setting."""
    rows = [f"| `{one.name}` | {KINDS[one.kind]} | {_default(one.default)} | {one.help} |" for one in SETTINGS]
    return HEAD + "\n".join(rows) + "\n"


def _default(value: object) -> str:
    if value == "":
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
