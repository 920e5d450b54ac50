"""What the whole engine promises, on real libvirt, QEMU, bridges and nginx: a stack's life, and what may go wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import HELLO, EngineWorld, wait_for
from playwright.sync_api import sync_playwright
from terminal import Terminal

pytestmark = [
    pytest.mark.needs("libvirt"),
    pytest.mark.needs("iptables"),
    pytest.mark.needs("nginx"),
    pytest.mark.needs("mmdebstrap"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineWorld]:
    with tempfile.TemporaryDirectory(dir="/run", prefix="engine-") as folder:
        world = EngineWorld(Path(folder), listen="127.0.0.1")
        world.start()
        world.json("stacks", "build", str(HELLO))
        yield world
        world.close()


@pytest.fixture
def hello(engine: EngineWorld) -> Iterator[str]:
    """An installed stack whose page has answered."""
    engine.json("stacks", "install", "hello", "--name", "greeter", "--set", "greeting=Good morning")
    engine.page("greeter")
    yield "greeter"
    if engine.json("stacks", "list"):
        engine.json("stacks", "delete", "greeter")
    stack = engine.json("stacks", "list", "--trash")[0]["id"]
    engine.json("stacks", "purge", stack)


def count(page: str) -> int:
    found = re.search(r'id="count">(\d+)<', page)
    assert found, page
    return int(found[1])


def said_by_virsh(*words: str) -> str:
    return subprocess.run(["virsh", "-q", *words], capture_output=True, text=True, check=True).stdout.strip()


def domains() -> set[str]:
    return set(said_by_virsh("list", "--all", "--name").split())


def booted(page: str) -> float:
    """When its guest did, by our clock."""
    found = re.search(r"up for (\d+) seconds", page)
    assert found, page
    return time.monotonic() - int(found[1])


def test_a_stack_is_built_again_without_work_when_nothing_changed(engine: EngineWorld) -> None:
    again = engine.json("stacks", "build", str(HELLO))
    assert (again["status"], len(engine.json("catalog", "list"))) == ("done", 1)


def test_the_answer_to_a_question_reaches_the_page(engine: EngineWorld, hello: str) -> None:
    assert "Good morning" in engine.page(hello)


def test_a_deleted_stack_comes_back_with_its_data(engine: EngineWorld, hello: str) -> None:
    before = count(engine.page(hello))
    engine.json("stacks", "delete", hello)
    assert not domains()
    engine.json("stacks", "undelete", engine.json("stacks", "list", "--trash")[0]["id"])
    engine.json("stacks", "start", hello)
    assert count(engine.page(hello)) > before


def test_the_counter_survives_a_rebuild_of_the_system_disk(engine: EngineWorld, hello: str) -> None:
    before = count(engine.page(hello))
    assert "it is running" in engine.refused("servers", "rebuild", hello)
    engine.json("servers", "poweroff", hello)
    engine.json("servers", "rebuild", hello)
    engine.json("servers", "start", hello)
    assert count(engine.page(hello)) > before


def test_a_stopped_stack_shuts_its_guest_down_and_stays_off(engine: EngineWorld, hello: str) -> None:
    engine.json("stacks", "stop", hello)
    wait_for(lambda: engine.power(hello) == "stopped", 60, engine.said)
    assert engine.json("servers", "show", hello)["desired"] == "stopped"
    wait_for(lambda: "network-" not in " ".join(engine.run("doctor").stdout.split()), 20, engine.said)


def test_suspend_and_resume_are_seen_by_the_hypervisor(engine: EngineWorld, hello: str) -> None:
    engine.json("servers", "suspend", hello)
    said = subprocess.run(["virsh", "-q", "list", "--state-paused", "--name"], capture_output=True, text=True)
    assert (engine.power(hello), len(said.stdout.split())) == ("suspended", 1)
    engine.json("servers", "resume", hello)
    assert engine.page(hello)


@pytest.mark.parametrize("service", ["libvirtd", "nginx", "virtlogd"])
def test_a_program_that_is_killed_is_revived_and_reported_while_servers_run_on(
    engine: EngineWorld, hello: str, service: str
) -> None:
    old = engine.pid(service)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: engine.pid(service) not in (0, old), 30, engine.said)
    wait_for(lambda: engine.run("doctor").returncode == 0, 30, lambda: engine.run("doctor").stdout + engine.said())

    def kinds() -> list[str]:
        return [event["kind"] for event in events(engine) if event["target"] == f"service/{service}"]

    wait_for(lambda: kinds()[-2:] == ["issue.raised", "issue.ended"], 30, lambda: f"{kinds()} {engine.said()}")
    assert engine.page(hello)
    engine.json("servers", "reset", hello)


def test_a_dhcp_server_that_is_killed_is_revived(engine: EngineWorld, hello: str) -> None:
    bridge = engine.json("networks", "list")[0]["bridge"]
    old = engine.pid(f"network-{bridge}")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: engine.pid(f"network-{bridge}") not in (0, old), 30, engine.said)


def test_walls_that_somebody_took_down_are_up_again_within_a_minute(engine: EngineWorld, hello: str) -> None:
    taken = "networks were taken from the host"
    assert taken not in engine.log.read_text()
    subprocess.run(["iptables", "-D", "FORWARD", "-j", "ORIGO-FORWARD"], check=True)
    subprocess.run(["nft", "delete", "table", "bridge", "origo"], check=True)

    def up() -> bool:
        rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
        guard = subprocess.run(
            ["nft", "list", "map", "bridge", "origo", "connections"], capture_output=True, check=False
        )
        return "-A FORWARD -j ORIGO-FORWARD" in rules and b" : " in guard.stdout

    wait_for(up, 90, engine.said)
    assert engine.page(hello)
    assert engine.log.read_text().count(taken) == 1


def test_the_daemon_may_be_killed_and_started_again_under_running_servers(engine: EngineWorld, hello: str) -> None:
    before = {service: engine.pid(service) for service in ("libvirtd", "nginx", "virtlogd")}
    running = domains()
    engine.end(signal.SIGKILL)
    engine.start()
    assert {service: engine.pid(service) for service in before} == before
    assert (domains(), engine.power(hello)) == (running, "running")
    assert engine.page(hello)


def test_what_ran_runs_again_after_the_engine_and_its_guests_were_stopped(engine: EngineWorld, hello: str) -> None:
    before = count(engine.page(hello))
    engine.end(signal.SIGINT)
    engine.start()
    assert count(engine.page(hello)) > before


def test_a_guest_that_shut_itself_down_while_the_daemon_was_dead_stays_down(engine: EngineWorld, hello: str) -> None:
    engine.page(hello)
    (domain,) = domains()
    engine.end(signal.SIGKILL)
    subprocess.run(["virsh", "-q", "shutdown", domain, "--mode", "acpi"], check=True)
    wait_for(lambda: said_by_virsh("domstate", domain, "--reason") == "shut off (shutdown)", 60)
    engine.start()
    shown = engine.json("servers", "show", hello)
    assert (shown["power"], shown["desired"]) == ("stopped", "stopped")


def test_a_password_reaches_a_guest_at_every_boot_and_lies_on_no_disk(engine: EngineWorld, tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    shutil.copytree(HELLO, folder)
    recipe = (folder / "recipe.toml").read_text().replace('name = "hello"', 'name = "keeper"', 1)
    recipe = recipe.replace('default = "Hello"', 'type = "password"')
    (folder / "recipe.toml").write_text(recipe)
    engine.json("stacks", "build", str(folder))
    engine.json("stacks", "install", "keeper", "--set", "greeting=correct-horse-battery")
    assert "correct-horse-battery" in engine.page("keeper")
    media = list(engine.home.glob("pools/0/images/*-seed.iso"))
    assert media and not [path for path in media if b"correct-horse" in path.read_bytes()]
    before = booted(engine.page("keeper"))
    engine.json("servers", "reset", "keeper")
    wait_for(lambda: booted(engine.page("keeper")) > before + 2, 60, engine.said)
    assert "correct-horse-battery" in engine.page("keeper")
    engine.json("servers", "poweroff", "keeper")
    engine.json("servers", "start", "keeper")
    assert "correct-horse-battery" in engine.page("keeper")
    engine.json("stacks", "delete", "keeper")
    engine.json("stacks", "purge", engine.json("stacks", "list", "--trash")[0]["id"])


PASSWORD = "anna has a secret"
TALKER = """#!/bin/busybox sh
exec 3<> /dev/ttyS0
while read -r line <&3; do echo "the guest heard $line" >&3; done &
exec busybox httpd -f -p 80 -h /srv/www
"""


def test_the_serial_line_of_a_guest_is_typed_into_and_hung_up(engine: EngineWorld, tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    shutil.copytree(HELLO, folder)
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('name = "hello"', 'name = "talker"', 1))
    (folder / "httpd.sh").write_text(TALKER)
    engine.json("stacks", "build", str(folder))
    engine.json("stacks", "install", "talker")
    engine.page("talker")
    with Terminal(engine, "servers", "console", "talker") as terminal:
        terminal.expect("connected to talker; Ctrl-] hangs up")
        terminal.type("good evening\r")
        terminal.expect("the guest heard good evening")
        terminal.type("\x1d")
        terminal.expect("hung up")
        assert (terminal.process.wait(10), terminal.mode()) == (0, terminal.before)
    engine.json("stacks", "delete", "talker")
    engine.json("stacks", "purge", engine.json("stacks", "list", "--trash")[0]["id"])


@pytest.mark.needs("chromium")
def test_a_browser_shows_the_guests_page_in_a_frame_that_counts_its_visitors(engine: EngineWorld, hello: str) -> None:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(engine.json("users", "setup-link")["url"])
        for label, text in (("Name", "anna"), ("Password", PASSWORD), ("The same password again", PASSWORD)):
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name="Create the administrator").click()
        page.get_by_role("link", name=hello, exact=True).click()
        counter = page.frame_locator("iframe").locator("#count")
        first = int(counter.text_content() or 0)
        assert page.frame_locator("iframe").locator("h1").text_content() == "Good morning"
        page.reload()
        second = int(counter.text_content() or 0)
        assert 0 < first < second < count(engine.page(hello))
        browser.close()


def test_the_servers_of_a_stack_stop_and_come_back_in_their_order(engine: EngineWorld, tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    shutil.copytree(HELLO, folder)
    recipe = (folder / "recipe.toml").read_text().replace('name = "hello"', 'name = "pair"', 1)
    recipe = recipe.replace('memory = "128M"\n', 'memory = "128M"\norder = 1\n')
    recipe += '\n[[server]]\nname = "base"\nmemory = "128M"\ndisk = "64M"\n'
    (folder / "recipe.toml").write_text(recipe)
    engine.json("stacks", "build", str(folder))
    engine.json("stacks", "install", "pair")
    engine.page("pair-web")
    engine.page("pair-base")
    engine.end(signal.SIGINT)
    engine.start()
    wait_for(lambda: engine.power("pair-web") == "running", 60, engine.said)
    engine.page("pair-web")
    engine.json("stacks", "stop", "pair")
    wait_for(lambda: {engine.power("pair-web"), engine.power("pair-base")} == {"stopped"}, 90, engine.said)
    told = [event for event in events(engine) if event["kind"] == "server.power"]
    changes = [(event["data"]["name"], event["data"]["power"]) for event in told]
    last = [change for change in changes if change[0].startswith("pair-")][-6:]
    off = [("pair-web", "stopped"), ("pair-base", "stopped")]
    assert last == [*off, ("pair-base", "running"), ("pair-web", "running"), *off]
    engine.json("stacks", "delete", "pair")
    engine.json("stacks", "purge", engine.json("stacks", "list", "--trash")[0]["id"])


def test_a_second_engine_on_one_home_is_refused_with_a_sentence(engine: EngineWorld) -> None:
    assert "another origo runs there" in engine.refused("serve")


def test_a_server_that_needs_more_memory_than_there_is_is_refused_before_anything_is_made(engine: EngineWorld) -> None:
    before = engine.json("images", "list")
    assert "memory" in engine.refused("servers", "create", "giant", "--memory", "9T", "--disk", "1G")
    assert engine.json("images", "list") == before
    assert engine.json("servers", "list") == []


def test_the_plan_shows_the_xml_and_the_rules_and_changes_nothing(engine: EngineWorld) -> None:
    plan = engine.json("stacks", "install", "hello", "--plan")
    text = "\n".join(line for step in plan["steps"] for line in step["lines"])
    assert "<domain" in text
    assert "ORIGO-FORWARD" in text
    assert plan["cost"]["memory_mb"] == 128
    assert engine.json("stacks", "list") == []


def events(engine: EngineWorld) -> list[dict[str, str]]:
    found, after = [], 0
    while page := list_events(engine, after):
        found += page
        after = int(page[-1]["id"])
    return found


def list_events(engine: EngineWorld, after: int) -> list[dict[str, str]]:
    said = engine.run("events", "--after", str(after), "--json").stdout
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(said):
        value, place = decoder.raw_decode(said, place)
        found.append(value)
        place += len(said[place:]) - len(said[place:].lstrip())
    return found
