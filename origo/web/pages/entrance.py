"""Who comes in: the set-up link, log-in and log-out, and the way into a stack's own origin."""

from bottle import HTTPResponse
from pydantic import TypeAdapter, ValidationError

from origo.errors import BadInput, Forbidden, NotFound, OrigoError
from origo.services import engine, sessions
from origo.services.engine import door
from origo.services.sessions import entering
from origo.services.throttle import Throttle
from origo.services.users import UserName, passwords
from origo.web import answers
from origo.web.pages.visit import Visit, local, quoted

USER_NAME: TypeAdapter[str] = TypeAdapter(UserName)


def setup_form(visit: Visit) -> HTTPResponse:
    """The page of a set-up link: name and password of the first administrator, or a new password for a user."""
    ticket = visit.query("ticket")
    good, name = passwords.ticket_for(ticket)
    if not good:
        raise Forbidden(
            "cannot use this link: it was used before, or is too old",
            hint="`origo users setup-link` on the engine's machine, or an administrator, gives a new one",
        )
    if not name and engine.awaits_setup(visit.core):
        return visit.go(door.path(ticket))
    return _setup_page(visit, ticket, name)


def setup(visit: Visit) -> HTTPResponse:
    """Use the link, and log in."""
    fields = _without_session(visit).form()
    ticket, name = fields.get("ticket", ""), fields.get("name", "").strip()
    good, known = passwords.ticket_for(ticket)
    try:
        if not good or not known:
            name = _user_name(name)
        if fields.get("password") != fields.get("again"):
            raise BadInput("cannot use these passwords: the two are not the same")
        user = passwords.set_up(visit.core, ticket, name, fields.get("password", ""))
    except BadInput as problem:
        return _setup_page(visit, ticket, known, problem, name)
    return visit.go("/entered?next=%2F", cookie=sessions.begin(visit.core, user))


def login_form(visit: Visit) -> HTTPResponse:
    """The log-in page."""
    if visit.actor.id:
        return visit.go(local(visit.query("next")))
    return _login_page(visit, local(visit.query("next")))


def login(throttle: Throttle, visit: Visit) -> HTTPResponse:
    """Log in with name and password."""
    fields = _without_session(visit).form()
    target = local(fields.get("next", "/"))
    name = fields.get("name", "").strip()
    try:
        _, key = sessions.log_in(visit.core, throttle, name, fields.get("password", ""), visit.way.address)
    except OrigoError as problem:
        return _login_page(visit, target, problem, name)
    return visit.go(f"/entered?next={quoted(target)}", cookie=key)


def entered(visit: Visit) -> HTTPResponse:
    """Whether the browser kept the cookie; one that did not would be led to the log-in for ever."""
    target = local(visit.query("next"))
    if visit.actor.id and target.startswith("/enter/"):
        # A form may not lead to another origin, by whatever redirects; a page may.
        return visit.show("entered.html", title="You are logged in", target=target)
    if visit.actor.id:
        return visit.go(target)
    return visit.show("cookie.html", status=400, title="Your browser kept no cookie")


def logout(visit: Visit) -> HTTPResponse:
    """End this session, and those on the stacks' origins that came from it."""
    visit.form()
    sessions.log_out(visit.session)
    return visit.go("/login", cookie="")


def authority(visit: Visit) -> HTTPResponse:
    """The certificate of the engine's authority, for a browser to trust."""
    certificate = visit.core.secrets.front(visit.core.config["domain"])
    headers = {
        "Content-Type": "application/x-x509-ca-cert",
        "Content-Disposition": 'attachment; filename="origo-authority.crt"',
    }
    return HTTPResponse(certificate.authority.read_bytes(), 200, answers.SECURITY | headers)


def enter(visit: Visit, label: str) -> HTTPResponse:
    """Lead an owner into a stack's own origin, by a ticket that is good once."""
    if not label.replace("-", "").isalnum() or not label.isascii():
        raise NotFound("cannot find a stack at this address")
    ticket = entering.ticket(visit.core, visit.actor, label, visit.session)
    path = local(visit.query("path")) if visit.query("path") else ""
    back = f"&path={quoted(path)}" if path else ""
    return visit.go(f"{visit.way.sibling(label)}/.origo/enter?ticket={ticket}{back}")


def _without_session(visit: Visit) -> Visit:
    """A form that needs no log-in was made without its token, even if the browser is logged in meanwhile."""
    return Visit(visit.core, visit.environ, visit.way, visit.actor, "")


def _user_name(name: str) -> str:
    try:
        return USER_NAME.validate_python(name)
    except ValidationError as invalid:
        message = invalid.errors()[0]["msg"].removeprefix("Value error, ")
        raise BadInput(f"cannot use this name: {message}") from None


def _setup_page(
    visit: Visit, ticket: str, known: str, problem: OrigoError | None = None, name: str = ""
) -> HTTPResponse:
    title = f"Set the password of {known}" if known else "Set up this engine"
    status = problem.status if problem else 200
    return visit.show(
        "setup.html", status=status, title=title, ticket=ticket, known=known, problem=problem, name=name,
        shortest=passwords.SHORTEST,
    )  # fmt: skip


def _login_page(visit: Visit, target: str, problem: OrigoError | None = None, name: str = "") -> HTTPResponse:
    status = problem.status if problem else 200
    answer = visit.show("login.html", status=status, title="Log in", next=target, problem=problem, name=name)
    if problem is not None and "retry_after" in problem.details:
        answer.set_header("Retry-After", str(problem.details["retry_after"]))
    return answer
