"""An engine's web without its machine: requests go to the WSGI application, and the rows are real."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from origo import api, config, log, model, secrets
from origo.events import Events
from origo.host.local import LocalHost
from origo.model import migrations
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.plugins import Drivers
from origo.secrets import Secrets
from origo.services import engine, kinds
from origo.services.users import tokens
from origo.web import Web

HOST = "origo.localhost:8080"
ORIGIN = f"http://{HOST}"


@dataclass
class Answer:
    """What was answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    rest: Any = None

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> dict[str, Any]:
        """The error, having the one shape."""
        assert set(self.json) == {"error"}, self.body
        found: dict[str, Any] = self.json["error"]
        assert set(found) == {"code", "message", "hint", "details"}
        assert found["message"].startswith("cannot ")
        return found


@dataclass
class World:
    """One engine's web in a folder."""

    home: Path
    routes: Any = api.ALL
    core: Core = None  # type: ignore[assignment]  # an engine that is there, or else one is made
    web: Web = field(init=False)

    def __post_init__(self) -> None:
        log.configure()
        if self.core is None:
            self._make()
        self.web = Web(self.core, self.routes)

    def _make(self) -> None:
        (self.home / "run").mkdir(parents=True, exist_ok=True)
        model.connect(str(self.home / "origo.db"))
        migrations.migrate()
        events = Events()
        self.core = Core(
            config=config.load(self.home, {}),
            local=LocalHost(),
            secrets=Secrets(self.home / "keys"),
            events=events,
            drivers=Drivers(()),
            supervisor=None,  # type: ignore[arg-type]  # no program is needed
            operations=Engine(events, lambda group: None),
        )
        self.core.operations.core = self.core
        self.core.operations.register(kinds.ALL)
        engine.ensure(self.core)

    def close(self) -> None:
        model.database.close()

    def user(self, name: str, role: str = "user", password: str = "") -> model.User:
        hashed = self.core.secrets.hash_password(password) if password else ""
        made: model.User = model.User.create(name=name, role=role, password=hashed)
        return made

    def token(self, user: model.User) -> str:
        key = tokens.PREFIX + secrets.new_key()
        model.Token.create(user=user, name="test", secret=secrets.digest(key), expires=time.time() + 600)
        return key

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        cookie: str = "",
        headers: dict[str, str] | None = None,
        application: Callable[..., Any] | None = None,
        door: str = "engine",
        host: str = HOST,
        stream: bool = False,
    ) -> Answer:
        """Ask as nginx passes it on; `body` is bytes, a form as text, or JSON."""
        given = dict(headers or {})
        if token:
            given["Authorization"] = f"Bearer {token}"
        if cookie:
            given["Cookie"] = f"__Host-origo={cookie}"
        answer = Answer(0, [])

        def start(status: str, found: list[tuple[str, str]], error: Any = None) -> None:
            answer.status, answer.headers = int(status[:3]), found

        environ = _environ(method, path, body, {"Host": host, "X-Origo-Door": door, "X-Origo-Scheme": "http"} | given)
        answer.rest = (application or self.web.app)(environ, start)
        if not stream:
            answer.body = b"".join(answer.rest)
            if hasattr(answer.rest, "close"):
                answer.rest.close()
        return answer

    def root(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Ask on the local socket."""
        return self.ask(method, path, body, application=self.web.local, **more)

    def submit(self, page: str, cookie: str = "", token: str | None = None, **fields: str) -> Answer:
        """Send a form from a page of the engine's own."""
        if token is None:
            token = secrets.digest(f"form {cookie}")[:32] if cookie else ""
        headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        return self.ask("POST", page, urlencode(fields | {"token": token}), cookie=cookie, headers=headers)


def key_in(answer: Answer) -> str:
    """The session's key in a Set-Cookie."""
    return answer.header("Set-Cookie").partition("=")[2].partition(";")[0]


def _environ(method: str, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    data = b"" if body is None else data
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "origo",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        "wsgi.input": io.BytesIO(data), "wsgi.errors": io.StringIO(), "CONTENT_LENGTH": str(len(data)),
    }  # fmt: skip
    if body is not None:
        form = isinstance(body, str)
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded" if form else "application/json"
    return environ | {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
