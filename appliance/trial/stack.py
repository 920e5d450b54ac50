"""The stack of a trial: built from its recipe where the catalog lacks it, installed where none is there, awaited."""

import time
from pathlib import Path
from typing import Any

from appliance.trial import messages
from appliance.trial.world import ROOT, World
from origo.errors import NotFound, Unavailable

RECIPES = ROOT / "appliance" / "stacks"
DEFAULT = "hello"
PAGE_SECONDS = 300


def recipe(name: str) -> Path:
    """The folder of the recipe with that name. Raises NotFound."""
    folder = RECIPES / (name or DEFAULT)
    known = sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))
    if (name or DEFAULT) not in known:
        raise NotFound(f"cannot find a stack {name} in {RECIPES}", hint=f"those there are: {', '.join(known)}")
    return folder


def bring_up(world: World, folder: Path, *, wanted: bool) -> dict[str, Any]:
    """The stack as it is once its page answers.

    `wanted` is whether a person named it: then it is installed beside others; else only where no stack is there.
    """
    entries = {entry["id"] for entry in world.ask("catalog", "list") if entry["name"] == folder.name}
    installed = world.ask("stacks", "list")
    mine = [stack for stack in installed if stack["entry"] in entries]
    if not mine and (wanted or not installed):
        if not entries:
            messages.say(f"building the stack {folder.name}, once; this takes a few minutes")
            world.show("stacks", "build", str(folder))
        messages.say("installing the stack", folder.name)
        world.show("stacks", "install", folder.name)
        mine = [stack for stack in world.ask("stacks", "list") if stack["name"] == folder.name]
    return await_page(world, (mine or installed)[0]["id"])


def await_page(world: World, id: str) -> dict[str, Any]:
    """The stack, once its page answers; at once when a person has stopped it. Raises Unavailable when it never does."""
    deadline = time.monotonic() + PAGE_SECONDS
    told = False
    while True:
        found: dict[str, Any] = world.ask("stacks", "show", id)
        if found["reachable"] or found["page"] is None or found["power"] in ("stopped", "stopping"):
            return found
        if not told:
            messages.say("waiting for the page of", found["name"])
            told = True
        if time.monotonic() > deadline:
            raise Unavailable(f"cannot reach the page of {found['name']} after {PAGE_SECONDS} seconds")
        world.wait(0.5)
