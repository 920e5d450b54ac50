"""What stands in the project's files: finished work that explains itself, and nothing of the place it was made at."""

import ast
import re

import pytest

from tests.house.source import ROOT, Module, core, files, modules

UNFINISHED = re.compile("TO" + "DO|FIX" + r"ME|\bXXX\b|\bHA" + "CK")
# Mirrors are read from the machine's own sources; homes and folders of whoever worked here mean nothing elsewhere.
ELSEWHERE = re.compile(r"deb\.debian\.org|pypi\.org|pythonhosted|registry\.npmjs|/work/|pyenv")
# This file has to name what it looks for; the lock and the goldens are made by programs.
SPARED = {"requirements.lock", "tests/house/test_words.py", "LICENSE"}


def texts() -> list[tuple[str, str]]:
    """Place and content of every text file."""
    found = []
    for path in files():
        place = str(path.relative_to(ROOT))
        data = path.read_bytes()
        if place not in SPARED and b"\0" not in data[:8192]:
            found.append((place, data.decode(errors="replace")))
    return found


@pytest.mark.parametrize(("what", "pattern"), [("unfinished work", UNFINISHED), ("another place", ELSEWHERE)])
def test_no_file_speaks_of(what: str, pattern: re.Pattern[str]) -> None:
    wrong = [
        f"{place}:{number}: {line.strip()}"
        for place, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert wrong == [], f"found {what}"


def test_every_module_says_its_idea() -> None:
    silent = [module.place for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)]
    assert silent == []


def callers_see(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")


def test_what_others_call_is_explained() -> None:
    silent = [
        f"{module.place}:{node.lineno} {node.name}"
        for module in core()
        if ".model.migrations" not in module.name
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and callers_see(node) and not ast.get_docstring(node)
    ]
    assert silent == []


def declared(function: ast.FunctionDef) -> bool:
    """Whether that only says how something is called."""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    return bool(decorators & {"abstractmethod", "overload"})


def only_raises(function: ast.AST) -> bool:
    """Whether that is a method of a base class that says what others do, and refuses to do it here."""
    return (
        isinstance(function, ast.FunctionDef)
        and bool(ast.get_docstring(function))
        and len(function.body) == 2
        and isinstance(function.body[1], ast.Raise)
    )


def stubs(module: Module) -> list[str]:
    """Functions whose body says only that there is none."""
    found = []
    bases = {function.body[1] for function in ast.walk(module.tree) if only_raises(function)}
    for node in set(ast.walk(module.tree)) - bases:
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplemented" in ast.unparse(node.exc):
            found.append(f"{module.place}:{node.lineno} raises NotImplementedError")
        if isinstance(node, ast.FunctionDef) and not declared(node):
            body = [
                part for part in node.body if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Constant)
            ]
            if all(isinstance(part, ast.Pass) for part in body) and not ast.get_docstring(node):
                found.append(f"{module.place}:{node.lineno} {node.name} does nothing and does not say why")
    return found


def test_there_are_no_stubs() -> None:
    assert [stub for module in core() for stub in stubs(module)] == []


def test_no_module_is_a_drawer() -> None:
    drawers = ("utils", "util", "helpers", "helper", "common", "misc")
    assert [module.place for module in modules() if module.path.stem in drawers] == []
