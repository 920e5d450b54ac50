"""A test can fail: it asserts something, expects an error, or hands its driver to a suite that does."""

import ast

from tests.house.source import Module, modules

CHECKING = ("assert", "raises", "check", "expect", "match", "judge", "verify", "conform", "wait_for")


def functions(module: Module) -> list[ast.FunctionDef]:
    """The test functions of a module."""
    return [
        node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def can_fail(test: ast.FunctionDef) -> bool:
    """Whether there is an assertion, or a call of something that is named after one."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2].lower()
            if any(word in name for word in CHECKING):
                return True
    return False


def test_every_test_can_fail() -> None:
    toothless = [
        f"{module.place}:{test.lineno} {test.name}"
        for module in modules()
        if "tests" in module.path.parts or ".testing" in module.name
        for test in functions(module)
        if not can_fail(test)
    ]
    assert toothless == []


def test_a_test_is_named_by_a_sentence() -> None:
    short = [
        f"{module.place}:{test.lineno} {test.name}"
        for module in modules()
        for test in functions(module)
        if "tests" in module.path.parts and test.name.count("_") < 3
    ]
    assert short == []
