"""The proof at the end of a round: a person sets up, logs in and sees the stack's page, through the printed URLs."""

import html.parser
import http.client
import secrets
import socket
import ssl
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.trial import messages, trust
from appliance.trial.world import World
from origo.errors import Unavailable

MOST_REDIRECTS = 10


@dataclass
class Answer:
    """What a browser has in its window."""

    url: str
    status: int
    text: str


@dataclass
class Browser:
    """Asks as a browser does that trusts this authority: by name, with cookies for each host, following redirects."""

    authority: Path
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def open(self, url: str, fields: dict[str, str] | None = None) -> Answer:
        """The page at `url`, or what a form with these fields leads to."""
        for _ in range(MOST_REDIRECTS):
            status, headers, text = self._ask(url, fields)
            target = headers.get("Location")
            if status not in (301, 302, 303, 307, 308) or not target:
                return Answer(url, status, text)
            url, fields = urllib.parse.urljoin(url, target), None
        raise Unavailable(f"cannot open {url}: it redirects without end")

    def _connect(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        """A connection to that name, which is this machine: no resolver is asked."""
        connection = http.client.HTTPConnection(host, port)
        connection.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        if scheme == "https":
            trusted = ssl.create_default_context(cafile=self.authority)
            connection.sock = trusted.wrap_socket(connection.sock, server_hostname=host)
        return connection

    def _ask(self, url: str, fields: dict[str, str] | None) -> tuple[int, http.client.HTTPMessage, str]:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        headers = {
            "Host": parts.netloc,
            "Accept": "text/html",
            "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.get(host, {}).items()),
        }
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"{parts.scheme}://{parts.netloc}",
            }
        try:
            connection = self._connect(parts.scheme, host, parts.port or 0)
        except OSError as problem:
            raise Unavailable(f"cannot open {url}: {problem}") from problem
        try:
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("GET" if body is None else "POST", target, body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as problem:
            raise Unavailable(f"cannot open {url}: {problem}") from problem
        finally:
            connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies.setdefault(host, {})[name.strip()] = value.strip()
        return response.status, response.headers, text


class Form(html.parser.HTMLParser):
    """The first form of a page: where it leads, the hidden fields, and those that a person fills in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = self.action or found.get("action", "")
        elif tag == "input" and found.get("name"):
            if found.get("type") == "hidden":
                self.fields[found["name"]] = found.get("value", "")
            else:
                self.asked.append((found["name"], found.get("type", "text")))


def check(world: World, stack: dict[str, Any]) -> None:
    """See the stack's page as its user would, beside every URL of the engine. Raises Unavailable."""
    browser = Browser(world.home / trust.AUTHORITY)
    if not set_up(world, browser):
        messages.say("not logged in, since this home has an administrator: the page was seen from the engine alone")
        return
    for engine in world.ask("engine", "show")["urls"]:
        url = messages.page_url(engine, stack)
        answer = browser.open(url)
        if answer.status != 200 or urllib.parse.urlsplit(answer.url).hostname != stack["host"]:
            raise Unavailable(f"cannot see the page at {url}: {answer.url} answered {answer.status}")
        messages.say(f"{url} answers: {' '.join(Text(answer.text).words)[:120]}")


def set_up(world: World, browser: Browser) -> bool:
    """Become the first administrator by the set-up link, as a person would; False where there is one already."""
    links = messages.setup_link(world)
    if not links:
        return False
    form = Form(browser.open(links[0]).text)
    password = secrets.token_urlsafe(16)
    given = {name: password if kind == "password" else "admin" for name, kind in form.asked}
    answer = browser.open(urllib.parse.urljoin(links[0], form.action), form.fields | given)
    if answer.status != 200:
        raise Unavailable(f"cannot set up: {answer.url} answered {answer.status}")
    return True


class Text(html.parser.HTMLParser):
    """What a page says, without its marks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.words += data.split()
