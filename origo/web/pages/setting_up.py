"""The pages of a new engine: its set-up link opens a form, then the plan, the progress, and the end; nothing else."""

import json
from typing import Any

from bottle import HTTPResponse
from pydantic import ValidationError

from origo.api.engine import SetUp
from origo.errors import BadInput, Conflict, OrigoError, size
from origo.model import EngineRow
from origo.services import engine, operations
from origo.services.access import SYSTEM
from origo.services.engine import setup, zone
from origo.services.users import passwords
from origo.web import reading
from origo.web.pages.visit import Visit

REFRESH = 2
LAYOUTS = {
    "": "As fits: a mirror of several disks",
    "single": "Single: all room, none of it safe",
    "mirror": "Mirror",
    "raidz": "RAID-Z: one disk may fail",
    "raidz2": "RAID-Z2: two disks may fail",
}


def form(visit: Visit, key: str) -> HTTPResponse:
    """The form; once set-up goes on, its progress instead."""
    setup.check(key)
    last = setup.attempt()
    if last is not None and last.status != "undone":
        return visit.go(f"/setup/{key}/progress")
    problem = Conflict(last.error["message"], hint=last.error["hint"]) if last is not None and last.error else None
    return _form(visit, key, {}, problem)


def plan(visit: Visit, key: str) -> HTTPResponse:
    """What the answers would come to."""
    setup.check(key)
    fields = visit.form()
    try:
        if fields.get("password") != fields.get("again"):
            raise BadInput("cannot use these passwords: the two are not the same")
        body = _body(_answers(fields))
        found = setup.set_up(visit.core, SYSTEM.asking(plan=True, key=None), body)
    except OrigoError as problem:
        return _form(visit, key, fields, problem)
    sealed = visit.core.secrets.seal(body.model_dump_json())
    return visit.show(
        "setup_plan.html", title="This is what will be done", key=key, plan=found.as_dict(), sealed=sealed
    )


def begin(visit: Visit, key: str) -> HTTPResponse:
    """Set the engine up as the plan said."""
    setup.check(key)
    said = visit.core.secrets.unseal(visit.form().get("answers", ""))
    setup.set_up(visit.core, SYSTEM, _body(json.loads(said)))
    return visit.go(f"/setup/{key}/progress")


def progress(visit: Visit, key: str) -> HTTPResponse:
    """How far it is."""
    setup.check(key)
    last = setup.attempt()
    if last is None or last.status == "undone":
        return visit.go(f"/setup/{key}")
    shown = operations.show(visit.core, SYSTEM, str(last.id))
    busy = last.status in ("queued", "running", "undoing")
    title = "The engine is set up" if last.status == "done" else "Setting the engine up"
    return visit.show(
        "setup_progress.html", title=title, key=key, operation=shown, refresh=REFRESH if busy else 0,
        recovery=EngineRow.get().recovery,
    )  # fmt: skip


def end(visit: Visit, key: str) -> HTTPResponse:
    """The recovery key, this once, and where the engine is from now on."""
    visit.form()
    found = setup.finish(visit.core, key)
    return visit.show(
        "setup_end.html", title="Keep this key", recovery=found, url=engine.urls(visit.core)[-1],
        name=visit.core.config.host_name, address=visit.way.name,
    )  # fmt: skip


def _answers(fields: dict[str, str]) -> dict[str, Any]:
    """What the form says, as the API takes it."""
    said = {name: fields.get(name, "").strip() for name in ("name", "domain")}
    found: dict[str, Any] = dict(said)
    # What is chosen as it was stays found by itself, at the next boot too.
    for name in ("time_zone", "outer_interface"):
        found[name] = "" if fields.get(name) == fields.get(f"present.{name}") else fields.get(name, "")
    found["administrator"] = {"name": fields.get("administrator", "").strip(), "password": fields.get("password", "")}
    disks = [value for name, value in sorted(fields.items()) if name.startswith("disk.")]
    if disks:
        options = {"devices": " ".join(disks)}
        layout = fields.get("layout", "")
        found["storage"] = {"driver": "storage_zfs", "options": options | ({"layout": layout} if layout else {})}
    return found


def _body(answers: dict[str, Any]) -> SetUp:
    try:
        return SetUp.model_validate(answers)
    except ValidationError as invalid:
        raise reading.bad(SetUp, invalid, "the form") from None


def _form(visit: Visit, key: str, fields: dict[str, str], problem: OrigoError | None) -> HTTPResponse:
    offer = setup.offer(visit.core, SYSTEM)
    for disk in offer["disks"]:
        disk["words"] = f"{disk['device']}, {size(disk['size_bytes'])} {disk['model']}".strip()
    return visit.show(
        "setup_form.html", status=problem.status if problem else 200, title="Set up this engine", key=key, offer=offer,
        fields=fields, problem=problem, layouts=LAYOUTS, zones=zone.names(), shortest=passwords.SHORTEST,
    )  # fmt: skip
