"""Nothing grows into a giant: a module that would becomes a folder of the same name, a function becomes two."""

import ast
import inspect

import pytest

from origo import contracts
from tests.house.source import Module, modules

MODULE_LINES = 400
FUNCTION_LINES = 40
CONTRACT_METHODS = 14


def functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, also those inside others."""
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_a_module_is_short() -> None:
    long = {module.place: len(module.text.splitlines()) for module in modules()}
    assert {place: lines for place, lines in long.items() if lines > MODULE_LINES} == {}


def test_a_function_is_short() -> None:
    wrong = []
    for module in modules():
        for function in functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                wrong.append(f"{module.place}:{function.lineno} {function.name} has {lines} lines")
    assert wrong == []


CONTRACTS = [found for _, found in inspect.getmembers(contracts, inspect.isclass) if inspect.isabstract(found)]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_a_contract_is_small(contract: type) -> None:
    methods = [name for name, _ in inspect.getmembers(contract, inspect.isfunction) if not name.startswith("_")]
    assert len(methods) <= CONTRACT_METHODS, f"split off an optional ability: {', '.join(methods)}"
