"""Power cuts amid work: nothing that was acknowledged is lost, no server runs twice, and nothing is left of no one.

A machine that the emulation's own fault switches off loses what was not on its disks as by a cut, and is taken for cut.
"""

import json
import random
import re
import time

import pytest

from tests.appliance.machine import MachineError
from tests.appliance.site import PYTHON, Site
from tests.house.source import ROOT

LOAD = ROOT / "tests/appliance/load.py"
MOST_SECONDS = 12.0
LOOKED_AT = 5
"""After so many cuts the engine is let come back whole and is looked at; between them it goes on at once."""
UNIT = f"""
[Unit]
After=origo.service
[Service]
ExecStart={PYTHON} /root/load.py work
[Install]
WantedBy=multi-user.target
"""
EVIDENCE = """
for name in $(virsh list --all --name); do echo "$name is $(virsh domstate --reason "$name" | head -n 1)"; done
tail -qn 5 /var/log/libvirt/qemu/*.log
origo operations list --json
journalctl -b -o short-precise -u origo
"""
TAKES_INTERRUPTS = 1 << 9
AT_REST = " systemd.mask=load.service"


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    site.machine.put(LOAD, "/root/load.py")
    site.machine.put(UNIT, "/etc/systemd/system/load.service")
    site.machine.run("systemctl enable load")
    return site


def test_after_power_cuts_amid_work_nothing_acknowledged_is_lost(site: Site, request: pytest.FixtureRequest) -> None:
    cuts, seed = request.config.getoption("cuts"), time.time_ns()
    chance = random.Random(seed)
    print(f"{cuts} power cuts, seed {seed}")
    for number in range(1, cuts + 1):
        work(site, chance.uniform(0, MOST_SECONDS))
        site.machine.power_off()
        if number % LOOKED_AT == 0 or number == cuts:
            wrong = look(site)
            print(f"after cut {number}: {len(acknowledged(site))} acknowledged so far, {len(wrong)} wrong", flush=True)
            assert wrong == [], site.machine.attempt(EVIDENCE).output


def work(site: Site, seconds: float) -> None:
    """Let the engine work that long after it has acknowledged something; also while it still starts its servers."""
    machine, before = site.machine, len(acknowledged(site))
    if machine.is_on():
        machine.run(f"systemd-run -u more-load {PYTHON} /root/load.py work")
    else:
        machine.boot(up=False)
    machine.wait(lambda: len(acknowledged(site)) > before or machine.was_cut(), "the first work", timeout=300)
    if len(acknowledged(site)) > before:
        time.sleep(seconds)
    else:
        machine.power_off()
        work(site, seconds)


def look(site: Site) -> list[str]:
    """What is wrong; a machine that the emulation switches off meanwhile is looked at once more."""
    try:
        return look_once(site)
    except MachineError:
        if not site.machine.was_cut():
            raise
        print("one more cut, by the emulation", flush=True)
        site.machine.power_off()
        return look_once(site)


def look_once(site: Site) -> list[str]:
    """Switch the machine on without that work, let the engine go on with what was unfinished, and say what is wrong."""
    machine = site.machine
    machine.command_line += AT_REST
    try:
        machine.boot(up=False)
    finally:
        machine.command_line = machine.command_line.removesuffix(AT_REST)
    site.comes_up(timeout=300)
    wait_page(site)
    said = "".join(f"{json.dumps(one)}\n" for one in acknowledged(site))
    found: list[str] = json.loads(machine.run([PYTHON, "/root/load.py", "look"], input=said, timeout=300))
    return found


def wait_page(site: Site) -> None:
    """Wait for the stack's page; a guest whose halted processor the emulation let forget its interrupts is reset."""
    try:
        site.wait_page()
    except MachineError:
        id = site.stack()["servers"][0]["id"]
        said = site.machine.run(["virsh", "qemu-monitor-command", f"origo-{id}", "--hmp", "info registers"])
        flags = re.search(r"(?:EFL|RFL)=(\w+)", said)
        if flags is None or int(flags[1], 16) & TAKES_INTERRUPTS or "HLT=1" not in said:
            raise
        print("a guest that the emulation let stand still is reset", flush=True)
        site.machine.run(f"origo servers reset {id}")
        site.wait_page()


def acknowledged(site: Site) -> list[dict[str, object]]:
    """All that was acknowledged on the serial line; a line that the cut has broken was not."""
    return [json.loads(line) for line in re.findall(r"^ACK (\{.*\})\s*$", site.machine.console(), re.M)]
