"""A real browser: a stack's page in a frame of the engine's page, and the plain pages without script."""

import json
import re
from collections.abc import Iterator

import pytest
from front_world import ENGINE, TLS_PORT, Front, guest, host, within
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from origo import model
from origo.model import Stack, User
from origo.services.access import SYSTEM
from origo.services.users import passwords

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(180)]

COUNTER = """<!doctype html><meta charset=utf-8><title>hello</title><h1 id=count></h1><pre id=seen></pre><script>
const count = 1 + Number((document.cookie.match(/count=(\\d+)/) || [0, 0])[1]);
document.cookie = `count=${count}; path=/`;
document.getElementById("count").textContent = count;
const seen = {cookies: document.cookie};
try { seen.above = parent.document.title } catch (error) { seen.above = error.name }
const tried = fetch("http://origo.localhost:18080/api/v1/stacks", {credentials: "include"})
    .then(() => "read", error => "refused").then(answer => seen.api = answer);
document.cookie = "__Host-origo=evil; domain=origo.localhost; path=/; secure";
Promise.all([tried, fetch("/headers").then(answer => answer.json()).then(found => seen.headers = found)])
    .then(() => document.getElementById("seen").textContent = JSON.stringify(seen));
</script>"""


@pytest.fixture(scope="module")
def hello(front: Front, anna: User) -> Iterator[Stack]:
    with guest("10.7.0.2", page=COUNTER):
        yield front.stack(anna, "hello", "10.7.0.2")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield made
        made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(ignore_https_errors=True)
    made.set_default_timeout(20_000)
    yield made
    made.close()


def log_in(page: Page, name: str, origin: str = f"http://{ENGINE}") -> None:
    page.goto(f"{origin}/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"{name} has a secret")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Stacks").wait_for()


def seen_in(page: Page) -> dict[str, object]:
    frame = page.frame_locator("iframe")
    text = frame.locator("#seen")
    assert within(15, lambda: text.text_content())
    found: dict[str, object] = json.loads(text.text_content() or "")
    found["count"] = frame.locator("#count").text_content()
    return found


@pytest.mark.parametrize("origin", [f"http://{ENGINE}", f"https://origo.localhost:{TLS_PORT}"], ids=["http", "https"])
def test_a_stacks_page_in_our_frame_keeps_its_cookie_and_reaches_nothing_of_ours(
    context: BrowserContext, hello: Stack, origin: str
) -> None:
    page = context.new_page()
    log_in(page, "anna", origin)
    page.get_by_role("link", name="hello", exact=True).click()
    page.get_by_role("heading", name="hello").wait_for()
    first = seen_in(page)
    assert (first["count"], first["cookies"]) == ("1", "count=1")
    assert first["above"] == "SecurityError"
    if origin.startswith("http:"):
        assert first["api"] == "refused"
    headers = {name.lower(): value for name, value in first["headers"]}  # type: ignore[attr-defined]
    assert headers["cookie"] == "count=1"
    assert not [name for name in headers if name.startswith(("x-origo", "x-forwarded", "x-real", "authorization"))]
    page.reload()
    assert seen_in(page)["count"] == "2", "the page's own cookie was kept"
    page.goto(origin)
    page.get_by_role("heading", name="Stacks").wait_for()


def test_a_stack_opens_in_a_tab_of_its_own_and_closes_with_the_log_out(context: BrowserContext, hello: Stack) -> None:
    page = context.new_page()
    log_in(page, "anna")
    own = context.new_page()
    own.goto(f"http://{host(hello)}/some/place?x=1")
    assert own.url == f"http://{host(hello)}/some/place?x=1"
    assert own.locator("#count").text_content() == "1"
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert within(5, lambda: (own.reload(), own.get_by_label("Password").count())[1] == 1)
    own.get_by_label("Name").fill("anna")
    own.get_by_label("Password").fill("anna has a secret")
    own.get_by_role("button", name="Log in").click()
    own.wait_for_url(f"http://{host(hello)}/some/place?x=1")


def test_a_page_that_is_not_up_yet_appears_by_itself_in_the_frame(
    context: BrowserContext, front: Front, anna: User
) -> None:
    front.stack(anna, "late", "10.7.0.4")
    page = context.new_page()
    log_in(page, "anna")
    page.get_by_role("link", name="late", exact=True).click()
    frame = page.frame_locator("iframe")
    frame.get_by_text("late is starting").wait_for()
    with guest("10.7.0.4", page="<!doctype html><h1>Here I am</h1>"):
        frame.get_by_role("heading", name="Here I am").wait_for(timeout=20_000)


def test_a_stacks_page_cannot_lead_the_engines_tab_elsewhere(context: BrowserContext, front: Front, anna: User) -> None:
    stack = front.stack(anna, "leader", "10.7.0.10")
    lead = f"top.location = 'http://{host(stack)}/false-log-in'"
    text = f'<!doctype html><button onclick="{lead}">Lead</button><a target=_top href=/false>Away</a><b>still here</b>'
    with guest("10.7.0.10", page=text):
        page = context.new_page()
        log_in(page, "anna")
        page.get_by_role("link", name="leader", exact=True).click()
        frame = page.frame_locator("iframe")
        for name in ("Lead", "Away"):
            frame.get_by_text(name).click()
            page.wait_for_timeout(500)
            assert page.url == f"http://{ENGINE}/stacks/{stack.id}"
        assert frame.get_by_text("still here").count() == 1


def test_the_set_up_link_makes_the_first_administrator_and_works_once(context: BrowserContext, front: Front) -> None:
    link = passwords.setup_link(front.core, SYSTEM)["url"].replace(":8080", ":18080")
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Name").fill("boss")
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_label("The same password again").fill("correct hose")
    page.get_by_role("button", name="Create the administrator").click()
    page.get_by_text("the two are not the same").wait_for()
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_label("The same password again").fill("correct horse")
    page.get_by_role("button", name="Create the administrator").click()
    page.get_by_role("heading", name="Stacks").wait_for()
    assert page.get_by_text("boss").count() == 1
    assert model.User.get(name="boss").role == "admin"
    answer = page.goto(link)
    assert answer is not None and answer.status == 403
    assert page.get_by_text("Cannot use this link").count() == 1


def test_the_pages_work_without_script_break_no_policy_and_fit_a_telephone(browser: Browser, front: Front) -> None:
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 640}, color_scheme="dark"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    log_in(page, "anna")
    wide = page.locator("body").bounding_box()
    assert wide is not None and wide["width"] <= 360
    assert page.locator("script").count() == 0
    page.get_by_role("link", name="Delete late").click()
    page.get_by_role("heading", name=re.compile("Delete late")).wait_for()
    page.get_by_role("link", name="Keep it").click()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    assert complaints == []
    context.close()
