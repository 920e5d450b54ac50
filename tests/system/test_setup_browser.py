"""A new engine is set up in a browser at another machine, before its name leads anywhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import EngineWorld
from outside import HERE, Outside, outside
from playwright.sync_api import Page, sync_playwright

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]

PASSWORD = "correct horse battery"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    f"--host-resolver-rules=MAP origo.lab.example {HERE}",
]  # fmt: skip


@pytest.fixture(scope="module")
def there() -> Iterator[Outside]:
    with outside() as made:
        yield made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, there: Outside) -> Iterator[EngineWorld]:
    """An engine as the package starts it, but for its guests' part."""
    folder = tmp_path_factory.mktemp("engine")
    for one in (folder.parent, folder.parent.parent):
        one.chmod(0o711)
    made = EngineWorld(folder, setup="true", listen="127.0.0.1 0.0.0.0", http_port="80", https_port="443")
    made.start()
    yield made
    made.close()


@pytest.fixture
def page(there: Outside, tmp_path: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=there.browser(tmp_path), args=ARGUMENTS)
        made = browser.new_context(ignore_https_errors=True, java_script_enabled=False).new_page()
        made.set_default_timeout(60_000)
        yield made
        browser.close()


def fetched(there: Outside, url: str, *words: str) -> tuple[int, str]:
    """Status and text, as curl there gets them."""
    ended = there.run("curl", "-sk", "-w", "\n%{http_code}", *words, url)
    text, _, status = ended.stdout.rpartition("\n")
    return int(status), text


def test_without_the_link_nothing_is_to_be_had(engine: EngineWorld, there: Outside) -> None:
    for path in ("/", "/login", "/api/v1/engine", "/api/v1/engine/setup", "/.origo/enter", "/style.css"):
        status, text = fetched(there, f"https://{HERE}{path}")
        assert status == 421, (path, text)
    for path in ("/setup/guess", "/setup/guess/progress", "/setup/.."):
        assert fetched(there, f"https://{HERE}{path}")[0] in (403, 421), path
    assert fetched(there, f"https://{HERE}/setup/guess/end", "-d", "token=")[0] == 403


def test_another_name_for_the_address_opens_nothing(engine: EngineWorld, there: Outside) -> None:
    url = engine.run("users", "setup-link").stdout.split()[0]
    path = url.partition(HERE)[2]
    assert url.startswith(f"https://{HERE}/setup/")
    status, text = fetched(there, f"https://rebound.example{path}", "--resolve", f"rebound.example:443:{HERE}")
    assert status == 421 and "form" not in text
    status, text = fetched(there, url + "/plan", "-H", "Origin: https://evil.example", "-d", "token=&name=x")
    assert status == 403 and "another page" in text
    assert fetched(there, url)[0] == 200


def test_the_whole_way_from_the_link_to_the_engines_own_page(
    engine: EngineWorld, there: Outside, page: Page, tmp_path: Path
) -> None:
    page.goto(engine.run("users", "setup-link").stdout.split()[0])
    page.get_by_label("Name of the engine").fill("lab")
    page.get_by_label("Its domain").fill("Lab Example")
    page.get_by_label("Name of the first administrator").fill("anna")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Show what would be done").click()
    assert "domain" in page.get_by_role("alert").inner_text()
    page.get_by_label("Its domain").fill("lab.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Show what would be done").click()
    assert "domain = lab.example" in page.content() and PASSWORD not in page.content()
    assert engine.json("engine", "show")["awaits_setup"] is True
    page.get_by_role("button", name="Set the engine up").click()
    page.get_by_role("button", name="Show the recovery key").click()
    key = page.locator("#recovery-key").inner_text()
    assert re.fullmatch(r"[A-Z0-9-]{30,100}", key), key
    assert page.locator("#engine").get_attribute("href") == "https://origo.lab.example/"
    page.reload()
    assert key not in page.content()
    assert engine.json("engine", "show")["awaits_setup"] is False
    _, authority = fetched(there, f"https://{HERE}/setup/authority.crt")
    (tmp_path / "ca.crt").write_text(authority)
    trusted = there.run(
        "curl", "-sS", "--cacert", str(tmp_path / "ca.crt"), "--resolve", f"origo.lab.example:443:{HERE}",
        "https://origo.lab.example/api/v1/openapi.json",
    )  # fmt: skip
    assert json.loads(trusted.stdout)["openapi"].startswith("3.1"), trusted.stderr
    page.goto("https://origo.lab.example/")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Stacks").wait_for()
