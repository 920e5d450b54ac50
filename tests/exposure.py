"""How open each unit of Origo's may lie, as `systemd-analyze security` counts it; decision 0116 says why."""

import fnmatch

BOUNDS = {
    "origo.service": 74,
    "origo-nginx.service": 49,
    "origo-network-*.service": 49,
    "origo-machine.service": 33,
    "origo-firewall.service": 18,
    "origo-zfs-cache.service": 16,
}
"""Ten times the score, and a little for what another version of systemd counts otherwise."""
LOADED = "systemctl list-units --all --plain --no-legend --type=service --state=loaded 'origo*'"
"""All units of that name that systemd knows, one a line."""
TESTS_OWN = "origo-runner.service"


def too_open(units: str) -> str:
    """A script that names each of these that lies more open than its bound; one without a bound does."""
    found = [line.split()[0] for line in units.splitlines() if line.strip()]
    look = "systemd-analyze security --no-pager --threshold={} {} >/dev/null || echo {}"
    return "\n".join(look.format(_bound(unit), unit, unit) for unit in found if unit != TESTS_OWN)


def _bound(unit: str) -> int:
    return next((most for name, most in BOUNDS.items() if fnmatch.fnmatch(unit, name)), 0)
