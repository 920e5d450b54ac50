"""What a stack asks at install: whether the questions make sense, and whether the answers do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import pydantic
import pydantic_core

from origo.errors import BadInput
from origo.services.catalog.recipe import Question
from origo.services.catalog.recipe_fields import clean

MOST_TEXT = 4096

Answer = str | int | bool


def problems(question: Question) -> Iterator[tuple[str, str]]:
    """Key and sentence for each thing in a question that makes no sense."""
    if (question.type == "choice") != bool(question.choices):
        yield "choices", "belong to a question of the type 'choice', and only there"
    if question.pattern is not None:
        if question.type not in ("text", "password"):
            yield "pattern", "belongs to a text"
        if not question.help:
            yield "pattern", "needs a `help` that says the same in words"
        try:
            _matches(question.pattern, "")
        except (pydantic_core.SchemaError, pydantic.errors.PydanticSchemaGenerationError):
            yield "pattern", "is no valid regular expression"
            return
    if question.type in ("choice", "boolean") and (question.least is not None or question.most is not None):
        yield "least", "bounds a number or the length of a text"
    if question.default is not None:
        try:
            _check(question, question.default)
        except ValueError as error:
            yield "default", str(error)


def answers(questions: Sequence[Question], given: Mapping[str, Any]) -> dict[str, Answer]:
    """Every question's answer: the given one, else the default; those without either are left out.

    Numbers and truth values may be given as text, as a form and `--set` do. Raises BadInput with all problems.
    """
    known = {question.name: question for question in questions}
    wrong = {name: "there is no such question" for name in given if name not in known}
    found: dict[str, Answer] = {}
    for name, question in known.items():
        value = given.get(name)
        if value is None or (value == "" and question.type != "text"):
            value = question.default
        if value is None or (value == "" and question.required):
            if question.required:
                wrong[name] = "an answer is required"
            continue
        try:
            found[name] = _check(question, value)
        except ValueError as error:
            wrong[name] = str(error)
    if wrong:
        text = "; ".join(f"{name}: {problem}" for name, problem in sorted(wrong.items()))
        raise BadInput(f"cannot use the answers: {text}", details={"answers": wrong})
    return found


def without_secrets(questions: Sequence[Question], found: Mapping[str, Answer]) -> dict[str, Answer]:
    """The answers that may be kept and shown: all but those to questions of the type 'password'."""
    secret = {question.name for question in questions if question.type == "password"}
    return {name: answer for name, answer in found.items() if name not in secret}


def _check(question: Question, value: Any) -> Answer:
    if question.type == "boolean":
        return _boolean(value)
    if question.type == "integer":
        return _integer(question, value)
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if len(value) > MOST_TEXT:
        raise ValueError(f"must be at most {MOST_TEXT} characters long")
    clean(value)
    if question.type == "choice" and value not in question.choices:
        raise ValueError(f"must be one of {', '.join(question.choices)}")
    _bounded(question, len(value), " characters long")
    if question.pattern is not None and not _matches(question.pattern, value):
        raise ValueError(f"does not have the form that is asked for: {question.help}")
    return value


def _boolean(value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError("must be yes or no")
    return found


def _integer(question: Question, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or len(text) > 20 or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError("must be a whole number")
    _bounded(question, int(text), "")
    return int(text)


def _bounded(question: Question, number: int, unit: str) -> None:
    if question.least is not None and number < question.least:
        raise ValueError(f"must be at least {question.least}{unit}")
    if question.most is not None and number > question.most:
        raise ValueError(f"must be at most {question.most}{unit}")


def _matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches. The engine used takes linear time, so a hostile pattern cannot stop us."""
    kind = Annotated[str, pydantic.StringConstraints(pattern=f"^(?:{pattern})$")]
    try:
        pydantic.TypeAdapter(kind).validate_python(text)
    except pydantic.ValidationError:
        return False
    return True
