"""Power cuts amid work: nothing that was acknowledged is lost, no server runs twice, and nothing is left of no one."""

import json
import random
import re
import time

import pytest

from tests.appliance.site import PYTHON, Site
from tests.house.source import ROOT

LOAD = ROOT / "tests/appliance/load.py"
MOST_SECONDS = 15.0


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    site.machine.put(LOAD, "/root/load.py")
    return site


def test_after_power_cuts_amid_work_nothing_acknowledged_is_lost(site: Site, request: pytest.FixtureRequest) -> None:
    cuts, seed = request.config.getoption("cuts"), time.time_ns()
    chance = random.Random(seed)
    print(f"{cuts} power cuts, seed {seed}")
    for number in range(1, cuts + 1):
        wrong = cut_amid_work(site, chance.uniform(0, MOST_SECONDS))
        print(f"after cut {number}: {len(acknowledged(site))} acknowledged so far, {len(wrong)} wrong", flush=True)
        assert wrong == []


def cut_amid_work(site: Site, seconds: float) -> list[str]:
    """Let the engine work that long, cut the power, and say what is wrong once it is back."""
    machine, before = site.machine, len(acknowledged(site))
    machine.run(f"systemd-run -u load {PYTHON} /root/load.py work")
    machine.wait(lambda: len(acknowledged(site)) > before, "the first work", timeout=60)
    time.sleep(seconds)
    machine.power_cut(up=False)
    site.comes_up(timeout=300)
    site.wait_page()
    said = "".join(f"{json.dumps(one)}\n" for one in acknowledged(site))
    found: list[str] = json.loads(machine.run([PYTHON, "/root/load.py", "look"], input=said, timeout=300))
    return found


def acknowledged(site: Site) -> list[dict[str, object]]:
    """All that was acknowledged on the serial line; a line that the cut has broken was not."""
    return [json.loads(line) for line in re.findall(r"^ACK (\{.*\})\s*$", site.machine.console(), re.M)]
