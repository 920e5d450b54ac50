"""A test can fail: it asserts something, expects an error, or hands its driver to a suite that does."""

import ast

from tests.house.source import Module, modules

CHECKING = ("assert", "raises", "check", "expect", "match", "judge", "verify", "conform", "wait_for")


def functions(module: Module) -> list[ast.FunctionDef]:
    """The test functions of a module."""
    return [
        node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def asserts(function: ast.FunctionDef) -> bool:
    """Whether there is an assertion, or a call of something that is named after one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and any(word in called(node).lower() for word in CHECKING):
            return True
    return False


def called(node: ast.Call) -> str:
    """The last part of what is called."""
    return ast.unparse(node.func).rpartition(".")[2]


def toothless(module: Module) -> list[str]:
    """Tests that neither assert nor call a function of their module that does."""
    biting = {node.name for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef) and asserts(node)}
    return [
        f"{module.place}:{test.lineno} {test.name}"
        for test in functions(module)
        if test.name not in biting
        and not any(called(node) in biting for node in ast.walk(test) if isinstance(node, ast.Call))
    ]


def test_every_test_can_fail() -> None:
    read = [module for module in modules() if "tests" in module.path.parts or ".testing" in module.name]
    assert [test for module in read for test in toothless(module)] == []


def test_a_test_is_named_by_a_sentence() -> None:
    short = [
        f"{module.place}:{test.lineno} {test.name}"
        for module in modules()
        for test in functions(module)
        if "tests" in module.path.parts and test.name.count("_") < 3
    ]
    assert short == []


def test_no_two_modules_of_tests_have_one_name() -> None:
    names = [module.path.name for module in modules() if module.path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == [], "pytest imports them by that name alone"
