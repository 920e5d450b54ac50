"""What a stack asks at install, and which answers it takes."""

import time
from typing import Any

import pytest

from origo.errors import BadInput
from origo.services.catalog import questions
from origo.services.catalog.recipe import Question

NAME = Question(
    "name", "Your name?", help="A capital, then small letters", required=True, pattern="[A-Z][a-z]+", most=10
)
COUNT = Question("count", "How many?", type="integer", default=3, least=1, most=9)
COLOUR = Question("colour", "Which colour?", type="choice", choices=("red", "blue"))
LOUD = Question("loud", "Loud?", type="boolean", default=False)
SECRET = Question("secret", "A password?", type="password", least=8)
ALL = (NAME, COUNT, COLOUR, LOUD, SECRET)


def test_a_question_without_an_answer_has_its_default_and_else_none() -> None:
    assert questions.answers(ALL, {"name": "Ada"}) == {"name": "Ada", "count": 3, "loud": False}


def test_numbers_and_truth_values_may_come_as_text() -> None:
    found = questions.answers(ALL, {"name": "Ada", "count": "7", "loud": "yes", "colour": "red"})
    assert found == {"name": "Ada", "count": 7, "loud": True, "colour": "red"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "ada"}, "name"),
        ({"name": "Ada\n"}, "name"),
        ({"name": "Adaxxxxxxxxx"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "Ada", "count": "ten"}, "count"),
        ({"name": "Ada", "count": 10}, "count"),
        ({"name": "Ada", "count": True}, "count"),
        ({"name": "Ada", "count": "9" * 5000}, "count"),
        ({"name": "Ada", "colour": "green"}, "colour"),
        ({"name": "Ada", "loud": "perhaps"}, "loud"),
        ({"name": "Ada", "secret": "short"}, "secret"),
        ({"name": "Ada", "secret": "x" * 5000}, "secret"),
        ({"name": "Ada", "nobody": "asked"}, "nobody"),
    ],
)
def test_a_wrong_answer_is_told_by_the_name_of_its_question(given: dict[str, Any], name: str) -> None:
    with pytest.raises(BadInput) as caught:
        questions.answers(ALL, given)
    assert list(caught.value.details["answers"]) == [name]


def test_people_read_in_words_what_form_is_asked_for() -> None:
    with pytest.raises(BadInput) as caught:
        questions.answers(ALL, {"name": "ada"})
    assert caught.value.message == (
        "cannot use the answers: name: does not have the form that is asked for: A capital, then small letters"
    )


def test_a_wrong_password_is_not_repeated() -> None:
    with pytest.raises(BadInput) as caught:
        questions.answers(ALL, {"name": "Ada", "secret": "hunter2"})
    assert "hunter2" not in str(caught.value.as_dict())


def test_passwords_are_not_among_the_answers_that_are_kept() -> None:
    found = questions.answers(ALL, {"name": "Ada", "secret": "correct horse"})
    assert "secret" in found
    assert "secret" not in questions.without_secrets(ALL, found)


def test_a_hostile_pattern_cannot_stop_the_engine() -> None:
    question = Question("x", "X", help="Letters", pattern="(a+)+b", most=4000)
    before = time.monotonic()
    with pytest.raises(BadInput):
        questions.answers([question], {"x": "a" * 4000})
    assert time.monotonic() - before < 2
