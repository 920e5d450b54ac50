"""What a trial says: the line for ssh, and the recipes there are."""

import pytest

from appliance.trial import messages, page, stack
from origo.errors import NotFound


def test_over_ssh_the_line_to_bring_the_pages_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "ssh_connection", lambda: "203.0.113.5 51234 192.0.2.7 22")
    monkeypatch.setenv("SUDO_USER", "ada")
    assert messages.ssh_line(8080, 8443) == ["ssh -L 8080:127.0.0.1:8080 -L 8443:127.0.0.1:8443 ada@192.0.2.7"]


def test_without_ssh_there_is_no_such_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "ssh_connection", lambda: "")
    assert messages.ssh_line(8080, 8443) == []


def test_an_unknown_stack_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="cannot find a stack nonsense") as caught:
        stack.recipe("nonsense")
    assert "hello" in caught.value.hint


@pytest.mark.parametrize("name", ["..", "../hello", "/etc", "hello/www"])
def test_a_path_is_no_name_of_a_stack(name: str) -> None:
    with pytest.raises(NotFound):
        stack.recipe(name)


def test_a_form_is_read_with_what_it_asks_and_what_is_filled() -> None:
    form = page.Form(
        '<form action="/setup" method="post"><input type="hidden" name="key" value="k1">'
        '<input name="name" value=""><input type="password" name="password"><button>Go</button></form>'
    )
    assert (form.action, form.fields) == ("/setup", {"key": "k1"})
    assert form.asked == [("name", "text"), ("password", "password")]


def test_a_page_is_read_as_its_words() -> None:
    assert page.Text("<h1>Hello</h1>\n<p>you are <b>visitor</b> 3</p>").words == ["Hello", "you", "are", "visitor", "3"]
