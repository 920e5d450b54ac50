"""A real front: nginx, the engine's web behind it, and guests played by small servers at addresses of their own."""

import contextlib
import http.client
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from origo import api, config, log, model, secrets
from origo.events import Events
from origo.home import make
from origo.host.local import LocalHost
from origo.model import Stack, User, migrations
from origo.operations.core import Core
from origo.operations.engine import Engine
from origo.plugins import Drivers
from origo.secrets import Secrets
from origo.services import engine, front, kinds, sessions
from origo.supervise import Supervisor
from origo.web import Web

PORT, TLS_PORT = 18080, 18443
ENGINE = f"origo.localhost:{PORT}"


class Front:
    """One engine's front; `trouble` gets what the supervisor reports."""

    def __init__(self, home: Path, **settings: str) -> None:
        log.configure()
        self.home = home
        make(home)
        model.connect(str(home / "origo.db"))
        migrations.migrate()
        events = Events()
        self.trouble: list[str] = []
        usual = {"ORIGO_LISTEN": "127.0.0.1", "ORIGO_HTTP_PORT": str(PORT), "ORIGO_HTTPS_PORT": str(TLS_PORT)}
        self.core = Core(
            config=config.load(home, usual | settings),
            local=LocalHost(),
            secrets=Secrets(home / "keys"),
            events=events,
            drivers=Drivers(()),
            supervisor=Supervisor(str(home / "run" / "services"), lambda name, text: self.trouble.append(text)),
            operations=Engine(events, lambda group: None),
        )
        self.core.operations.core = self.core
        self.core.operations.register(kinds.ALL)
        engine.ensure(self.core)
        self.node = model.Node.create(name="node", hypervisor="none", memory_mb=4096, cpus=2)
        self.network = model.Network.create(
            name="net", number=7, owner="system", driver="none", bridge="origo7", subnet="10.7.0.0/24",
            gateway="10.7.0.1",
        )  # fmt: skip
        self.web = Web(self.core, api.ALL)
        self.web.start()
        self.core.supervisor.ensure(front.service(self.core))

    def close(self) -> None:
        self.web.stop()
        self.core.supervisor.stop_all()
        model.database.close()

    def workers(self) -> set[int]:
        """The pids of nginx's workers."""
        master = self.core.supervisor.states()["nginx"].pid
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()}

    def user(self, name: str, role: str = "user") -> User:
        made: User = User.create(name=name, role=role, password=self.core.secrets.hash_password(f"{name} has a secret"))
        return made

    def stack(self, owner: User, name: str, address: str, power: str = "running", path: str = "/") -> Stack:
        made: Stack = Stack.create(
            name=name, owner=owner, label=f"{name}-x1y2", state="ready",
            page={"member": "web", "port": 80, "path": path},
        )  # fmt: skip
        server = model.Server.create(
            name=name, owner=owner, node=self.node, stack=made, member="web", memory_mb=64, state="ready", power=power,
            desired="running",
        )  # fmt: skip
        model.Connection.create(network=self.network, server=server, mac=address, address=address, tap=f"t{address}")
        return made

    def session(self, user: User) -> str:
        """A session of the engine's own origin."""
        return sessions.begin(self.core, user)

    def inside(self, user: User, stack: Stack, session: str) -> str:
        """The cookie of the stack's own origin, by the way a browser goes."""
        led = ask("GET", ENGINE, f"/enter/{stack.label}", cookie=session)
        assert led.status == 303, led.text
        there = urlsplit(led.header("Location"))
        assert there.netloc == host(stack)
        entered = ask("GET", host(stack), f"{there.path}?{there.query}")
        assert entered.status == 303, entered.text
        return entered.header("Set-Cookie").partition("=")[2].partition(";")[0]


class Answer:
    """What came back through nginx."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.getheaders()
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def host(stack: Stack) -> str:
    """The host of a stack's page as the browser writes it."""
    return f"{stack.label}.{ENGINE}"


def ask(
    method: str,
    to: str,
    path: str = "/",
    body: Any = None,
    *,
    cookie: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request over TCP through nginx, without any of a browser's manners."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    given = {"Host": to} | (headers or {})
    if cookie:
        given["Cookie"] = "; ".join(filter(None, [given.get("Cookie", ""), f"__Host-origo={cookie}"]))
    with contextlib.closing(connection):
        connection.request(method, path, body, given)
        return Answer(connection.getresponse())


def submit(page: str, session: str, **fields: str) -> Answer:
    """Send a form as the engine's own page does."""
    token = secrets.digest(f"form {session}")[:32]
    headers = {"Origin": f"http://{ENGINE}", "Content-Type": "application/x-www-form-urlencoded"}
    return ask("POST", ENGINE, page, urlencode(fields | {"token": token}), cookie=session, headers=headers)


class Guest(http.server.BaseHTTPRequestHandler):
    """A guest's web server: says what it got, and does what guests should not."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    received = 0
    page = "<!doctype html><title>guest</title><h1>A guest</h1>"
    extra: tuple[tuple[str, str], ...] = ()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/headers":
            self.answer(json.dumps(self.headers.items()), "application/json")
        elif self.path == "/away":
            self.answer("", extra=(("Location", f"http://{self.headers['Host']}/there"),), status=302)
        else:
            self.answer(self.page, extra=self.extra)

    def do_POST(self) -> None:
        left, got = int(self.headers["Content-Length"]), 0
        while left:
            part = self.rfile.read(min(left, 1 << 20))
            left, got = left - len(part), got + len(part)
            type(self).received = got
        self.answer(str(got))

    def answer(
        self, text: str, kind: str = "text/html", extra: tuple[tuple[str, str], ...] = (), status: int = 200
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


@contextlib.contextmanager
def guest(address: str, **does: Any) -> Iterator[type[Guest]]:
    """A guest at that address, with its attributes set."""
    kind = type("ThisGuest", (Guest,), does)
    have_address(address)
    server = http.server.ThreadingHTTPServer((address, 80), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kind
    finally:
        server.shutdown()
        server.server_close()


def have_address(address: str) -> None:
    """Give this world's loopback an address for a guest."""
    subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)


@contextlib.contextmanager
def front_world(**settings: str) -> Iterator[Front]:
    """A front in a home that nginx's workers can reach; `settings` as in the environment.

    Guests' subnet ends here, as it does at a network's bridge: what is sent to a guest that is not up goes nowhere.
    """
    route = ["unreachable", "10.7.0.0/24"]
    subprocess.run(["ip", "route", "replace", *route], check=True)
    home = Path(tempfile.mkdtemp(prefix="origo-front-", dir="/run"))
    home.chmod(0o711)
    made = Front(home, **settings)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(home)
        subprocess.run(["ip", "route", "delete", *route], check=True)


def within(seconds: float, true: Any) -> bool:
    """Whether it becomes true in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return bool(true())


def memory_mb(pid: int = 0) -> float:
    """The resident memory of a process, this one by default."""
    text = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
