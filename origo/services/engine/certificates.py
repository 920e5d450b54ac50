"""The certificate of the front: verbs, and what is due: a renewal, new pages' names, a word before it ends."""

import time
from collections.abc import Sequence
from typing import Any

from origo.errors import BadInput, OrigoError
from origo.model import EngineRow, Issue, OperationRow
from origo.operations.core import Core
from origo.secrets import certificates
from origo.secrets.certificates import Facts
from origo.services import access, issues
from origo.services.access import SYSTEM, Actor
from origo.services.engine import certifying
from origo.services.engine.certifying import OrderCertificate, RemoveCertificate, SetCertificate

UNUSABLE, ENDING, RENEWAL = "certificate/unusable", "certificate/ending", "certificate/renewal"
"""The keys of the issues: it cannot serve; it ends soon; it cannot be renewed."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
PAUSES = (HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY)
"""Between orders that fail one after the other."""
NEW_NAMES_PAUSE, NEW_NAMES_A_WEEK = 10 * MINUTE, 40
"""Pages that come are gathered for a while; authorities give some fifty certificates a week for a domain."""
MOST_ORDERS = 100
"""So many of the newest are looked at."""
NOTICE = 30 * DAY


def show(core: Core, actor: Actor) -> dict[str, Any]:
    """The certificate that the front shows, where it is from, and when it is renewed."""
    access.require(actor, "engine.manage")
    shown, acme = core.secrets.front(core.config["domain"]), EngineRow.get().acme
    said = certificates.facts(shown.certificate.read_bytes())
    own = shown.certificate != core.secrets.given_path
    return {
        "source": "own" if own else "ordered" if acme else "given",
        "names": list(said.names),
        "issuer": said.issuer,
        "since": said.since,
        "until": said.until,
        "serial": f"{said.serial:x}",
        "directory": acme["directory"] if acme else "",
        "proven_by": acme["way"]["by"] if acme else "",
        "renewed": _due(said) if acme and not own else None,
    }


def checks(core: Core) -> list[dict[str, Any]]:
    """What `origo doctor` says of it."""
    wrong = Issue.select().where(Issue.key.in_((UNUSABLE, ENDING, RENEWAL)) & Issue.ended.is_null())
    said = certificates.facts(core.secrets.front(core.config["domain"]).certificate.read_bytes())
    days = int((said.until - time.time()) // DAY)
    well = f"of {said.issuer}, for {days} days, until {_day(said.until)}"
    found = [{"about": "certificate", "ok": False, "sentence": one.sentence, "remedy": one.remedy} for one in wrong]
    return found or [{"about": "certificate", "ok": True, "sentence": well, "remedy": ""}]


def set_(core: Core, actor: Actor, body: Any) -> Any:
    """Let the front show a certificate that was given, with its key."""
    access.require(actor, "engine.manage")
    wanted = certifying.names(core, wildcard=True)
    pem = certificates.checked(body.chain.encode(), body.key.encode(), wanted).decode()
    args = {"certificate": core.secrets.seal(pem)}
    return core.operations.submit(SetCertificate(), args, by=actor.id, plan=actor.plan, key=actor.key)


def order(core: Core, actor: Actor, body: Any) -> Any:
    """Order a certificate from an ACME server, now and whenever it is near its end."""
    access.require(actor, "engine.manage")
    if body.authority:
        certificates.facts(body.authority.encode())
    args = body.model_dump(include={"directory", "authority", "email", "agreed", "external"})
    if body.external:
        args["external"]["key"] = core.secrets.seal(body.external.key)
    args["way"] = _way(core, actor, body)
    return core.operations.submit(OrderCertificate(), args, by=actor.id, plan=actor.plan, key=actor.key)


def renew(core: Core, actor: Actor) -> Any:
    """Order the certificate again, in the way it was ordered before."""
    access.require(actor, "engine.manage")
    acme = EngineRow.get().acme
    if acme is None:
        raise BadInput(
            "cannot renew the certificate: none was ordered", hint="`origo engine order-certificate` orders one"
        )
    return core.operations.submit(OrderCertificate(), acme, by=actor.id, plan=actor.plan, key=actor.key)


def remove(core: Core, actor: Actor) -> Any:
    """Let the front show a certificate of the engine's own authority again; no other is ordered any more."""
    access.require(actor, "engine.manage")
    return core.operations.submit(RemoveCertificate(), {}, by=actor.id, plan=actor.plan, key=actor.key)


def look_after(core: Core) -> None:
    """Renew what is due, and say what is wrong."""
    acme, given = EngineRow.get().acme, _given(core)
    _say_when_it_ends(core, given, ordered=acme is not None)
    if acme is None:
        issues.end(core.events, RENEWAL)
    else:
        _renew(core, acme, given)


def _way(core: Core, actor: Actor, body: Any) -> dict[str, Any]:
    if body.dns and body.hook:
        raise BadInput("cannot prove names in two ways: give a name server or a hook, not both")
    if body.hook:
        access.only_here(actor)  # it is run as root
        return {"by": "hook", "program": body.hook}
    if body.dns:
        return {**body.dns.model_dump(), "by": "dns", "secret": core.secrets.seal(body.dns.secret)}
    return {"by": "http"}


def _given(core: Core) -> Facts | None:
    """What is known of the certificate that was given or ordered; one that cannot serve is an issue."""
    try:
        given = core.secrets.given()
        why = ""
        if given and certificates.missing(given.names, [core.config.host_name]):
            why = f"it is not for {core.config.host_name}"
    except BadInput as error:
        given, why = None, error.message.removeprefix("cannot ")
    if why:
        sentence = f"the engine shows a certificate of its own, since the other one cannot be used: {why}"
        remedy = "`origo engine set-certificate` or `origo engine order-certificate` puts another into its place"
        issues.raise_(core.events, UNUSABLE, sentence, remedy=remedy, severity="error")
    else:
        issues.end(core.events, UNUSABLE)
    return given


def _say_when_it_ends(core: Core, given: Facts | None, *, ordered: bool) -> None:
    if given is None or given.until - time.time() > min(NOTICE, (given.until - given.since) / 4):
        issues.end(core.events, ENDING)
        return
    verb = "ends" if given.until > time.time() else "ended"
    sentence = f"the certificate of the engine's pages {verb} on {_day(given.until)}"
    remedy = "origo engine renew-certificate" if ordered else "origo engine set-certificate, with a new one"
    issues.raise_(core.events, ENDING, sentence, remedy=remedy, severity="error" if verb == "ended" else "warning")


def _renew(core: Core, acme: dict[str, Any], given: Facts | None) -> None:
    """Order again when a third of its time is left or a page is not in it; after a failure later and later."""
    wanted = certifying.names(core, wildcard=acme["way"]["by"] != "http")
    lacking = given is None or bool(certificates.missing(given.names, wanted))
    ending = given is not None and time.time() > _due(given)
    if not (lacking or ending):
        issues.end(core.events, RENEWAL)
        return
    rows = OperationRow.select().where(OperationRow.kind == OrderCertificate.kind).order_by(-OperationRow.id)
    orders = list(rows.limit(MOST_ORDERS))
    failed = next((number for number, row in enumerate(orders) if row.status != "undone"), len(orders))
    if failed:
        _say_why_not(core, orders[0].error)
    if not _must_wait(orders, failed, urgent=ending or given is None):
        try:
            core.operations.submit(OrderCertificate(), acme, by=SYSTEM.id)
        except OrigoError as error:
            _say_why_not(core, error.as_dict())


def _must_wait(orders: Sequence[Any], failed: int, *, urgent: bool) -> bool:
    if not orders:
        return False
    if orders[0].ended is None:
        return True
    ago: float = abs(time.time() - orders[0].ended)
    if failed:
        return ago < PAUSES[min(failed, len(PAUSES)) - 1]
    lately = [row for row in orders if row.status == "done" and abs(time.time() - row.ended) < 7 * DAY]
    return not urgent and (ago < NEW_NAMES_PAUSE or len(lately) >= NEW_NAMES_A_WEEK)


def _say_why_not(core: Core, error: dict[str, Any]) -> None:
    remedy = "; ".join(
        [*filter(None, [error["hint"]]), "it is tried again, at once by `origo engine renew-certificate`"]
    )
    sentence = f"the certificate is not renewed: {error['message']}"
    issues.raise_(core.events, RENEWAL, sentence, remedy=remedy)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _due(said: Facts) -> float:
    return said.until - (said.until - said.since) / 3
