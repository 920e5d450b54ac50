"""The proof at the end of a round: a person sets up, logs in and sees the stack's page, through the printed URLs."""

import html.parser
import http.client
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from appliance.trial import messages
from appliance.trial.world import World
from origo.config import Config
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
    """Asks as a browser does: by name over loopback, with cookies for each host, following redirects."""

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

    def _ask(self, url: str, fields: dict[str, str] | None) -> tuple[int, http.client.HTTPMessage, str]:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        headers = {"Host": parts.netloc, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.get(host, {}).items())}
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"{parts.scheme}://{parts.netloc}",
            }
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=30)
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
    """The first form of a page: where it leads, and the fields that are filled already."""

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
            if "value" in found:
                self.fields[found["name"]] = found["value"]
            else:
                self.asked.append((found["name"], found.get("type", "text")))


def check(world: World, settings: Config, stack: dict[str, Any]) -> None:
    """See the stack's page as its user would. Raises Unavailable when it does not answer."""
    browser = Browser()
    if not set_up(world, browser):
        messages.say("not logged in, since this home has an administrator: the page was seen from the engine alone")
        return
    url = f"http://{stack['host']}:{settings['http_port']}{stack['page']}"
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
