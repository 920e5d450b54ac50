"""A trial on a machine with a guest, a pool, rules, a bridge and a web server: all are there, once each, all along."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.house.source import ROOT

pytestmark = [
    pytest.mark.needs("libvirt", "zfs", "iptables", "nginx", "mmdebstrap", "slirp4netns"),
    pytest.mark.timeout(900),
]

Moments = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def moments() -> Moments:
    """What the machine saw of its own things before, during and after a trial."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORIGO_")}
    ended = subprocess.run(
        [
            *(ROOT / "appliance" / "private", "--egress", "--", sys.executable, "-m", "tests.system.machine"),
            *(ROOT / "appliance" / "try", f"/var/tmp/origo-machine-{os.getpid()}"),  # noqa: S108
        ],
        cwd=ROOT,
        env=kept | {"ORIGO_CACHE": "/var/cache/origo"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return {line["moment"]: line for line in lines}


def test_the_machine_has_what_the_test_is_about(moments: Moments) -> None:
    seen = moments["before"]["seen"]
    assert "machines-guest" in seen["guests"]
    assert "running" in seen["guests"]
    assert seen["pools"] == "tank\tONLINE\n"
    assert "-A FORWARD -j DROP" in seen["rules"]


@pytest.mark.parametrize("moment", ["during", "after"])
def test_everything_is_as_it_was(moments: Moments, moment: str) -> None:
    before, now = moments["before"]["seen"], moments[moment]["seen"]
    assert {what: now[what] for what in now if now[what] != before[what]} == {}


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_guest_and_page_are_there_once(moments: Moments, moment: str) -> None:
    seen = moments[moment]["seen"]
    assert seen["guest processes"] == 1
    assert seen["page"] == "the machine's own page"


def test_the_trial_really_ran_meanwhile(moments: Moments) -> None:
    before, during = moments["before"]["programs"], moments["during"]["programs"]
    for program in ("libvirtd", "nginx", "dnsmasq", "slirp4netns"):
        assert during.count(program) > before.count(program), program


def test_nothing_runs_afterwards_that_did_not_before(moments: Moments) -> None:
    assert moments["after"]["programs"] == moments["before"]["programs"]
